package scheme

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/apisig/vault-plugin-apisig/internal/requeststring"
)

// percentEncode writes every byte that is not unreserved (RFC 3986, section 2.3) as % and two upper-case hex digits.
func percentEncode(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// percentEncodePath is percentEncode of each segment of a path.
func percentEncodePath(path string) string {
	return strings.ReplaceAll(percentEncode(path), "%2F", "/")
}

// formDecode reads a name or a value of a query: + is a space, and a % without two hex digits stays.
func formDecode(text string) string {
	return requeststring.PercentDecoded(strings.ReplaceAll(text, "+", " "))
}

// sortedQuery writes a query in the canonical form of signed APIs: decoded, percent-encoded, and only then sorted, by
// name and then by value, as bytes. Duplicates stay, and = is always written.
func sortedQuery(query string) string {
	var parameters [][]string // names and values
	for piece := range strings.SplitSeq(query, "&") {
		if piece != "" {
			name, value, _ := strings.Cut(piece, "=")
			parameters = append(parameters, []string{percentEncode(formDecode(name)), percentEncode(formDecode(value))})
		}
	}
	slices.SortFunc(parameters, slices.Compare)
	sorted := make([]string, len(parameters))
	for i, parameter := range parameters {
		sorted[i] = strings.Join(parameter, "=")
	}
	return strings.Join(sorted, "&")
}

// jsonString is a text as a JSON string, with its quotes (RFC 8259, section 7). U+2028 and U+2029 are escaped, because
// JavaScript once took them for line ends; <, > and & are not.
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
func lowerASCII(text string) string { return swapCase(text, 'A', 'Z') }
func upperASCII(text string) string { return swapCase(text, 'a', 'z') }

// swapCase gives the letters from first to last the other case.
func swapCase(text string, first, last byte) string {
	changed := []byte(text)
	for i, c := range changed {
		if first <= c && c <= last {
			changed[i] = c ^ ' '
		}
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
