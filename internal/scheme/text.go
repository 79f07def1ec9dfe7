package scheme

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const upperHex = "0123456789ABCDEF"

// unreserved are the characters that percent-encoding leaves alone: RFC 3986, section 2.3.
func unreserved(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// percentEncode writes every byte that is not unreserved as % and two upper-case hex digits.
func percentEncode(text string) string {
	encoded := make([]byte, 0, len(text)+16)
	for i := range len(text) {
		if c := text[i]; unreserved(c) {
			encoded = append(encoded, c)
		} else {
			encoded = append(encoded, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(encoded)
}

// percentEncodePath is percentEncode of each segment of a path.
func percentEncodePath(path string) string {
	return strings.ReplaceAll(percentEncode(path), "%2F", "/")
}

// formDecode reads a name or a value of a query: + is a space, and a % without two hex digits stays.
func formDecode(text string) string {
	if !strings.ContainsAny(text, "%+") {
		return text
	}
	decoded := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '+':
			decoded = append(decoded, ' ')
		case text[i] == '%' && i+2 < len(text) && hexDigit(text[i+1]) >= 0 && hexDigit(text[i+2]) >= 0:
			decoded = append(decoded, byte(hexDigit(text[i+1])<<4|hexDigit(text[i+2]))) //nolint:gosec // two digits fit
			i += 2
		default:
			decoded = append(decoded, text[i])
		}
	}
	return string(decoded)
}

// hexDigit is the value of a hex digit, or -1.
func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// sortedQuery writes a query in the canonical form of signed APIs: decoded, percent-encoded, and only then sorted, by name and then
// by value, as bytes. Duplicates stay, and = is always written.
func sortedQuery(query string) string {
	type parameter struct{ name, value string }
	var parameters []parameter
	for piece := range strings.SplitSeq(query, "&") {
		if piece != "" {
			name, value, _ := strings.Cut(piece, "=")
			parameters = append(parameters, parameter{percentEncode(formDecode(name)), percentEncode(formDecode(value))})
		}
	}
	slices.SortFunc(parameters, func(a, b parameter) int {
		if order := strings.Compare(a.name, b.name); order != 0 {
			return order
		}
		return strings.Compare(a.value, b.value)
	})
	var sorted strings.Builder
	for i, p := range parameters {
		if i > 0 {
			sorted.WriteByte('&')
		}
		sorted.WriteString(p.name)
		sorted.WriteByte('=')
		sorted.WriteString(p.value)
	}
	return sorted.String()
}

// jsonString is a text as a JSON string, with its quotes (RFC 8259, section 7). U+2028 and U+2029 are escaped, because JavaScript
// once took them for line ends; <, > and & are not.
func jsonString(text string) string {
	encoded := make([]byte, 0, len(text)+16)
	encoded = append(encoded, '"')
	for text != "" {
		r, size := utf8.DecodeRuneInString(text)
		text = text[size:]
		switch short := strings.IndexRune("\"\\\b\f\n\r\t", r); {
		case r == utf8.RuneError && size == 1:
			encoded = append(encoded, `\ufffd`...)
		case short >= 0:
			encoded = append(encoded, '\\', `"\bfnrt`[short])
		case r < ' ', r == '\u2028', r == '\u2029':
			encoded = fmt.Appendf(encoded, `\u%04x`, r)
		default:
			encoded = utf8.AppendRune(encoded, r)
		}
	}
	return string(append(encoded, '"'))
}

// lowerASCII and upperASCII change ASCII letters only, so that no text becomes longer.
func lowerASCII(text string) string {
	return mapBytes(text, func(c byte) byte {
		if 'A' <= c && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	})
}

func upperASCII(text string) string {
	return mapBytes(text, func(c byte) byte {
		if 'a' <= c && c <= 'z' {
			return c - ('a' - 'A')
		}
		return c
	})
}

func mapBytes(text string, change func(byte) byte) string {
	changed := []byte(text)
	for i, c := range changed {
		changed[i] = change(c)
	}
	return string(changed)
}

func trim(text string) string { return strings.Trim(text, " \t\r\n") }

// pathOf is what is before the first ?, and queryOf what is after it.
func pathOf(text string) string {
	path, _, _ := strings.Cut(text, "?")
	return path
}

func queryOf(text string) string {
	_, query, _ := strings.Cut(text, "?")
	return query
}
