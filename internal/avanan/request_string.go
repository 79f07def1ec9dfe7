package avanan

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// MaxRequestString is the longest request string that may be signed, in bytes.
const MaxRequestString = 8 << 10

// CheckRequestString says whether a request string may be signed for an app id: nil, or what is wrong with it.
//
// The rules serve two ends. What a Vault policy allowed by its beginning must be what the vendor serves, so nothing in
// it may lead elsewhere on the way (dot segments, empty segments, backslashes, fragments); and its signature must fit no
// other request, so the app id may not stand in it (see the package comment).
func CheckRequestString(appID, requestString string) error {
	if len(requestString) > MaxRequestString {
		return fmt.Errorf("is longer than %d bytes", MaxRequestString)
	}
	path, _, _ := strings.Cut(requestString, "?")
	pathSpellings, _ := spellings(path)
	allSpellings, shallow := spellings(requestString)
	switch {
	case requestString == "":
		return errors.New("is empty")
	case requestString[0] != '/':
		return errors.New("does not start with /")
	case strings.ContainsFunc(requestString, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("contains a space, a control character or one outside ASCII: percent-encode it, and send it that way")
	case strings.Contains(requestString, ","):
		// Vault splits values at commas before it holds them against a policy's allowed_parameters.
		return errors.New("contains a comma: write it as %2C, and send it that way")
	case strings.ContainsAny(requestString, `#\`):
		return errors.New(`contains # or \: percent-encode it, and send it that way`)
	case strings.HasSuffix(requestString, "?"):
		return errors.New("ends in ?, which some clients send and others drop: leave it out")
	case strings.Contains(path, "//"):
		return errors.New("has // in its path")
	case !shallow:
		return fmt.Errorf("is percent-encoded more than %d times", maxEncoding)
	case slices.ContainsFunc(pathSpellings, hasDotSegment):
		return errors.New("has a . or .. segment in its path")
	case appID != "" && spliced(appID, allSpellings):
		return errors.New("contains the app id: its signature would be valid for a second request")
	default:
		return nil
	}
}

// dotSegment takes / and \ for separators, as servers do that decode before they split, passes over the control
// characters and spaces that some of them drop, and knows what a segment may end in: its parameters (..;a=b), a query, a
// fragment.
var dotSegment = regexp.MustCompile(`(^|[/\\])[\x00-\x20]*\.[\x00-\x20]*\.?[\x00-\x20]*([;?#/\\]|$)`)

// hasDotSegment asks the expression only where there is something to ask about: it costs more than a signature.
func hasDotSegment(path string) bool {
	return (strings.Contains(path, "/.") || strings.ContainsFunc(path, unprintedOrBackslash)) && dotSegment.MatchString(path)
}

func unprintedOrBackslash(r rune) bool { return r <= ' ' || r == '\\' }

// spliced says whether the app id stands in one of the spellings of a request string, or begins in the date before it:
// an app id such as 56/x would be found in the last digits of the date and a request string that starts with /x.
func spliced(appID string, spellings []string) bool {
	for i := 1; i < len(appID) && strings.ContainsRune(dateCharacters, rune(appID[i-1])); i++ {
		if strings.HasPrefix(spellings[0], appID[i:]) {
			return true
		}
	}
	lower := strings.ToLower(appID)
	return slices.ContainsFunc(spellings, func(s string) bool { return strings.Contains(strings.ToLower(s), lower) })
}

// dateCharacters are those that a date in one of the DateFormats is made of.
const dateCharacters = "0123456789-:.TZ"

// maxEncoding is how often over a request string may be percent-encoded; nobody needs more than two, and each costs.
const maxEncoding = 8

// spellings returns a text as it stands, percent-decoded, decoded again, and so on until nothing changes, and false
// where that takes more than maxEncoding times.
func spellings(text string) ([]string, bool) {
	all := []string{text}
	for range maxEncoding + 1 {
		decoded := percentDecoded(text)
		if decoded == text {
			return all, true
		}
		text = decoded
		all = append(all, text)
	}
	return all, false
}

// percentDecoded decodes every valid escape once and leaves the rest as it is, stray percent signs included, where
// net/url would give up.
func percentDecoded(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	var octet [1]byte
	decoded := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			if _, err := hex.Decode(octet[:], []byte(text[i+1:i+3])); err == nil {
				decoded = append(decoded, octet[0])
				i += 2
				continue
			}
		}
		decoded = append(decoded, text[i])
	}
	return string(decoded)
}
