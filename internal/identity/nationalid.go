package identity

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// NationalID returns a Swedish personal identity number or coordination number in
// its canonical form of twelve digits, and whether it is valid: the day exists
// and the check digit is right (Skatteverket, SKV 704 and SKV 707). It accepts
// 19121212-1212, 191212121212, 121212-1212 and, from the age of 100, 121212+1212.
// The century of a number without one is that of the latest possible birth by the
// given day.
func NationalID(s string, day Date) (string, bool) {
	digits, hundred := make([]byte, 0, 12), false
	for i, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digits = append(digits, byte(r))
		case r == ' ' || r == '-' && i == len(s)-5:
		case r == '+' && i == len(s)-5:
			hundred = true
		default:
			return "", false
		}
	}
	if len(digits) == 10 {
		digits = append(inferCentury(digits, day, hundred), digits...)
	} else if hundred {
		return "", false
	}
	if len(digits) != 12 || !luhn(digits[2:]) {
		return "", false
	}
	if _, ok := birthDateOf(string(digits)); !ok {
		return "", false
	}
	return string(digits), true
}

// inferCentury returns the first two digits of the year of birth.
func inferCentury(digits []byte, day Date, hundred bool) []byte {
	if len(day) < 4 {
		return []byte("19")
	}
	first := day[:2]
	if born, ok := birthDateOf(string(first) + string(digits)); !ok || born > day {
		first = centuryBefore(first)
	}
	if hundred {
		first = centuryBefore(first)
	}
	return []byte(first)
}

func centuryBefore(c Date) Date {
	t, err := time.Parse("2006", string(c)+"00")
	if err != nil {
		return c
	}
	return Date(t.AddDate(-100, 0, 0).Format("2006")[:2])
}

// birthDateOf returns the date of birth in a number of twelve digits. A
// coordination number has sixty added to the day.
func birthDateOf(number string) (Date, bool) {
	day := []byte(number[:8])
	if day[6] >= '6' {
		day[6] -= 6
	}
	t, err := time.Parse("20060102", string(day))
	if err != nil {
		return "", false
	}
	return Date(t.Format(time.DateOnly)), true
}

// BirthDate returns the date of birth in a number in canonical form; empty for
// any other text.
func BirthDate(number string) Date {
	if len(number) != 12 || strings.Trim(number, "0123456789") != "" {
		return ""
	}
	day, _ := birthDateOf(number)
	return day
}

var numbers = regexp.MustCompile(`\d+(?:[-+ ]\d+)?`)

var withoutSeparators = strings.NewReplacer("-", "", " ", "")

// HasNationalID reports whether a text contains a personal identity or
// coordination number, in any of its forms, as a key of an HR source may.
func HasNationalID(s string) bool {
	digits := 0
	for _, r := range s {
		if r >= '0' && r <= '9' {
			digits++
		}
	}
	if digits < 10 { // most keys have fewer, and counting is cheaper than the pattern
		return false
	}
	return slices.ContainsFunc(numbers.FindAllString(s, -1), func(n string) bool {
		digits, _, _ := strings.Cut(n, " ")
		for _, form := range []string{n, strings.FieldsFunc(digits, func(r rune) bool { return r == '-' || r == '+' })[0]} {
			if BirthDate(withoutSeparators.Replace(form)) != "" {
				return true
			}
			if _, is := NationalID(form, "2099-12-31"); is {
				return true
			}
		}
		return false
	})
}

// luhn reports whether the last of ten digits is the check digit of the others.
func luhn(digits []byte) bool {
	sum := 0
	for i, d := range digits {
		n := int(d - '0')
		if i%2 == 0 {
			n *= 2
		}
		sum += n/10 + n%10
	}
	return sum%10 == 0
}
