package standin

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/google/uuid"
)

// authority is the part of login.microsoftonline.com that an application needs
// to get a token for itself: the tenant's OpenID configuration and the token
// endpoint for a client secret or a signed assertion, whose signature the
// stand-in does not check.
func (s *Server) authority(w http.ResponseWriter, r *http.Request) {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	tenant, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	base := scheme + r.Host + "/" + tenant
	reply := func(status int, body object) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	switch {
	case rest == "v2.0/.well-known/openid-configuration" && r.Method == http.MethodGet:
		reply(http.StatusOK, object{
			"issuer": base + "/v2.0", "token_endpoint": base + "/oauth2/v2.0/token", "authorization_endpoint": base + "/oauth2/v2.0/authorize",
			"jwks_uri": base + "/discovery/v2.0/keys",
		})
	case rest == "oauth2/v2.0/token" && r.Method == http.MethodPost:
		s.issue(r, reply)
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) issue(r *http.Request, reply func(int, object)) {
	if err := r.ParseForm(); err != nil {
		reply(http.StatusBadRequest, object{"error": "invalid_request"})
		return
	}
	refuse := func(kind, text string) {
		reply(http.StatusUnauthorized, object{"error": kind, "error_description": text, "error_codes": []int{7000215}, "correlation_id": uuid.NewString()})
	}
	assertion := r.PostForm.Get("client_assertion")
	switch {
	case r.PostForm.Get("grant_type") != "client_credentials" || !strings.HasSuffix(r.PostForm.Get("scope"), "/.default") && !strings.Contains(r.PostForm.Get("scope"), "/.default "):
		reply(http.StatusBadRequest, object{"error": "invalid_scope"})
	case s.opts.ClientID == "" || r.PostForm.Get("client_id") != s.opts.ClientID:
		refuse("unauthorized_client", "AADSTS700016: Application was not found in the directory.")
	case assertion != "" && strings.Count(assertion, ".") != 2, assertion == "" && (s.opts.ClientSecret == "" || r.PostForm.Get("client_secret") != s.opts.ClientSecret):
		refuse("invalid_client", "AADSTS7000215: Invalid client secret provided.")
	default:
		s.mu.Lock()
		defer s.mu.Unlock()
		t := "issued-" + uuid.NewString()
		s.tokens[t] = true
		reply(http.StatusOK, object{"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": t})
	}
}
