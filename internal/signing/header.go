package signing

import (
	"net/http"
	"strings"
)

// PlainName is a header's name as servers that make variables of headers see it: without case, and with - for _.
func PlainName(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }

// Drop drops the headers or trailers of a name, however they are spelled.
func Drop(header http.Header, name string) {
	for other := range header {
		if len(other) == len(name) && PlainName(other) == PlainName(name) {
			delete(header, other)
		}
	}
}

// dress puts Vault's headers in place of a call's own.
func (s *Signed) dress(header http.Header) {
	for name := range s.Headers {
		Drop(header, name)
	}
	for name, value := range s.Headers {
		header[spelled(name)] = []string{value}
	}
}

// spelled is the name that a header of Vault's is sent with: as it is, because some vendors compare it, unless net/http
// looks for the header under its canonical name, and would send one of its own beside it.
func spelled(name string) string {
	switch canonical := http.CanonicalHeaderKey(name); canonical {
	case "User-Agent", "Accept-Encoding", "Range":
		return canonical
	default:
		return name
	}
}
