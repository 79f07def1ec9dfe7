package proxy

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// appended are the query parameters that Vault appended to a call, decoded. The application must not see them, so they
// are taken out of the vendor's answer, which may repeat the address that was called.
type appended map[string]string

// addressed are the headers that have addresses. The parameters are taken out of these; a line of another header that
// has one of them in it, or shows one of their values, is dropped.
var addressed = []string{"Location", "Content-Location", "Link", "Refresh"}

// leave takes the parameters out of the headers or trailers of an answer.
func (a appended) leave(header http.Header) {
	if len(a) == 0 {
		return
	}
	for _, name := range addressed {
		for i, value := range header[name] {
			header[name][i] = cut(value, separator, a.is)
		}
	}
	for name, values := range header {
		header[name] = slices.DeleteFunc(values, func(value string) bool {
			return a.shows(value) || cut(value, separator, a.is) != value
		})
		if len(header[name]) == 0 || a.shows(name) {
			delete(header, name)
		}
	}
}

// separator is what stands between the parts of a header with addresses, also within an address that is a parameter of
// another, and so is percent-encoded, once or more.
var separator = regexp.MustCompile(`(?i)[?&;#<>"',\s]|%(?:25)*(?:3F|26|3B|23|3C|3E|22|27|2C|20)`)

// cut takes parameters out of a text. They are the parts between separators that drop says true of.
func cut(text string, separator *regexp.Regexp, drop func(part string) bool) string {
	places := append(separator.FindAllStringIndex(text, -1), []int{len(text), len(text)})
	var out strings.Builder
	from, before := 0, "" // where a part begins, and the separator before it, which is not written yet
	for _, place := range places {
		part, after := text[from:place[0]], text[place[0]:place[1]]
		from = place[1]
		switch {
		case !drop(part):
			out.WriteString(before + part)
		case joins(after) && depth(before) == depth(after):
			continue // the part goes with the separator after it: what follows takes its place
		case !joins(before) && !begins(before):
			out.WriteString(before)
		} // else it goes with the separator before it
		before = after
	}
	return out.String() + before
}

// joins reports whether a separator stands between two parameters, begins whether one stands before the first.
func joins(separator string) bool  { return strings.ContainsAny(percentDecoded(separator), "&;") }
func begins(separator string) bool { return strings.ContainsAny(percentDecoded(separator), "?#") }

// depth is how many times a separator is percent-encoded.
func depth(separator string) int {
	if !strings.HasPrefix(separator, "%") {
		return 0
	}
	return 1 + strings.Count(separator[:len(separator)-2], "25")
}

// is reports whether a part of a text is one of the parameters.
func (a appended) is(part string) bool {
	name, value, found := strings.Cut(percentDecoded(part), "=")
	for known, wanted := range a {
		if found && strings.EqualFold(strings.TrimSpace(name), known) && plainValue(value) == plainValue(wanted) {
			return true
		}
	}
	return false
}

// named reports whether a part of a text is a parameter with the name of one of them.
func (a appended) named(part string) bool {
	name, _, _ := strings.Cut(part, "=")
	for known := range a {
		if strings.EqualFold(strings.TrimSpace(percentDecoded(name)), known) {
			return true
		}
	}
	return false
}

// shortest is the length of the shortest value that is looked for by itself. Shorter ones stand in headers by chance,
// and are no signatures.
const shortest = 16

// shows reports whether a text has one of the values in it.
func (a appended) shows(text string) bool {
	plain := plainValue(text)
	for _, value := range a {
		if len(value) >= shortest && strings.Contains(plain, plainValue(value)) {
			return true
		}
	}
	return false
}

// plainValue is a text in one spelling, for comparing: servers decode and encode it again, also in JSON, change its
// case, and drop padding.
func plainValue(text string) string {
	return strings.TrimRight(strings.ToLower(plain.Replace(percentDecoded(text))), "=")
}

var plain = strings.NewReplacer("+", " ", `\`, "")

// escape is a byte in a URL, or an ASCII character in JSON.
var escape = regexp.MustCompile(`(?:%|\\u00)[0-9A-Fa-f]{2}`)

// percentDecoded decodes a text until nothing is left to decode, eight times at most. A % that does not begin an escape
// stays.
func percentDecoded(text string) string {
	for range 8 {
		if !strings.ContainsAny(text, `%\`) {
			break
		}
		text = escape.ReplaceAllStringFunc(text, func(digits string) string {
			octet, _ := strconv.ParseUint(digits[len(digits)-2:], 16, 8) // two hex digits
			return string([]byte{byte(octet)})
		})
	}
	return text
}
