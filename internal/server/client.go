package server

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// forwardedHeaders are those by which proxies tell of a client. Handlers see none
// that is not believed.
var forwardedHeaders = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Ssl", "X-Forwarded-Scheme", "X-Real-Ip", "True-Client-Ip"}

// identify finds the client of a request. Forwarded headers are removed unless the
// connection comes from a trusted proxy; then X-Forwarded-Proto says what is
// believed, and RemoteAddr is the client's.
func (x *exchange) identify(r *http.Request, proxies []netip.Prefix) {
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		x.client = peer.Addr().Unmap().WithZone("")
	}
	x.secure = r.TLS != nil
	if isTrusted(x.client, proxies) {
		client, scheme := forwarded(r.Header, x.client, proxies)
		if client != x.client {
			x.client, r.RemoteAddr = client, netip.AddrPortFrom(client, 0).String()
		}
		if scheme != "" {
			x.secure = scheme == "https"
		}
	}
	for _, name := range forwardedHeaders {
		delete(r.Header, name)
	}
	if x.secure && r.TLS == nil {
		r.Header.Set("X-Forwarded-Proto", "https")
	}
}

func isTrusted(a netip.Addr, proxies []netip.Prefix) bool {
	return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// forwarded returns the client's address and scheme by the headers of a trusted
// proxy: of the addresses it names, the last one that is no trusted proxy. The
// scheme is empty when the proxy does not state it. A proxy that knows only one of
// Forwarded (RFC 7239) and X-Forwarded-For passes on the other as the client sent
// it: when they disagree, neither is believed.
func forwarded(h http.Header, peer netip.Addr, proxies []netip.Prefix) (client netip.Addr, scheme string) {
	standard, old := h["Forwarded"], h["X-Forwarded-For"]
	switch {
	case len(standard) > 0 && len(old) > 0:
		a, scheme := lastUntrusted(forwardedHops(standard), peer, proxies)
		if b, _ := lastUntrusted(forwardedForHops(old), peer, proxies); a != b {
			return peer, ""
		}
		return a, scheme
	case len(standard) > 0:
		return lastUntrusted(forwardedHops(standard), peer, proxies)
	}
	client, _ = lastUntrusted(forwardedForHops(old), peer, proxies)
	list := strings.Split(strings.Join(h["X-Forwarded-Proto"], ","), ",")
	return client, schemeOf(list[len(list)-1])
}

// hop is what one proxy says of the side that sent the request to it.
type hop struct {
	address netip.Addr // not valid when it is hidden or not an address
	scheme  string
}

// lastUntrusted returns the client of a chain of hops: from the right, the first
// that is no trusted proxy; the leftmost when all are. A hop without an address
// ends what can be known.
func lastUntrusted(hops []hop, peer netip.Addr, proxies []netip.Prefix) (client netip.Addr, scheme string) {
	client = peer
	for _, each := range slices.Backward(hops) {
		if !each.address.IsValid() {
			return client, scheme
		}
		client, scheme = each.address, each.scheme
		if !isTrusted(client, proxies) {
			break
		}
	}
	return client, scheme
}

// forwardedForHops parses X-Forwarded-For, of which each line is a list.
func forwardedForHops(lines []string) []hop {
	var hops []hop
	for text := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		hops = append(hops, hop{address: addressOf(strings.TrimSpace(text))})
	}
	return hops
}

// forwardedHops parses Forwarded (RFC 7239 §4). An element that is not well formed
// has no address.
func forwardedHops(lines []string) []hop {
	var hops []hop
	for _, element := range splitQuoted(strings.Join(lines, ","), ',') {
		var one hop
		for _, pair := range splitQuoted(element, ';') {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			value = unquoted(value)
			switch strings.ToLower(name) {
			case "for":
				one.address = addressOf(value)
			case "proto":
				one.scheme = schemeOf(value)
			}
		}
		hops = append(hops, one)
	}
	return hops
}

// splitQuoted splits text at a separator that is in no quoted string (RFC 9110
// §5.6.4).
func splitQuoted(text string, separator byte) []string {
	var parts []string
	quoted, start := false, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && c == separator:
			parts, start = append(parts, text[start:i]), i+1
		}
	}
	return append(parts, text[start:])
}

// unquoted returns the value of a quoted string, or the token that it is.
func unquoted(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	return s[1 : len(s)-1] // no address and no scheme has an escaped character
}

// addressOf parses an address, with or without a port and brackets.
func addressOf(s string) netip.Addr {
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		withPort, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}
		}
		a = withPort.Addr()
	}
	return a.Unmap().WithZone("")
}

func schemeOf(s string) string {
	switch s = strings.ToLower(strings.TrimSpace(s)); s {
	case "http", "https":
		return s
	}
	return ""
}

// addressKey is the key of a client address for rate limits: an IPv6 client has at
// least a /64, and could send each request from another address.
func addressKey(a netip.Addr) string {
	if a.Is6() {
		if network, err := a.Prefix(64); err == nil {
			return network.Addr().String()
		}
	}
	return a.String()
}
