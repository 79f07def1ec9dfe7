package token

import (
	"regexp"
	"time"
)

const (
	// MaxText is the longest token that is accepted, in bytes. The vendors' have about 1,000, and servers limit the size of headers.
	MaxText = 16 << 10
	// MinLife is the shortest life with which a token is of any use.
	MinLife = 3 * time.Second
)

// bearer is what a token may consist of (RFC 6750, section 2.1).
var bearer = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]+$`)

// IsText says whether a text can be a token. A web page or a JSON document cannot.
func IsText(text string) bool { return bearer.MatchString(text) }
