package avanan

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxRequestString is the longest request string that may be signed, in bytes.
const MaxRequestString = 8 << 10

// CheckRequestString returns nil if a request string may be signed for an app id. Otherwise it returns an error that
// says what is wrong with the string, worded to follow the name of a parameter.
//
// The rules have two purposes. A Vault policy allows request strings by prefix, so the path must stay below that prefix
// however a server or proxy decodes and normalizes it: no dot segments, empty segments, backslashes, fragments, control
// characters, overlong UTF-8 or %u escapes. And a signature must be valid for one request only, so the request string
// must not contain the beginning of a second one: the app id, or the /v1.0/ of a shorter request (see the package
// comment). Both apply to the string as it stands and to every spelling that percent-decoding makes of it.
func CheckRequestString(appID, requestString string) error {
	path, _, _ := strings.Cut(requestString, "?")
	switch {
	case requestString == "":
		return errors.New("is empty")
	case len(requestString) > MaxRequestString:
		return fmt.Errorf("is longer than %d bytes", MaxRequestString)
	case requestString[0] != '/':
		return errors.New("does not start with /")
	case !isPrintableASCII(requestString):
		return errors.New("contains a space, a control character or one outside ASCII: percent-encode it, and send it that way")
	case strings.Contains(requestString, ","):
		// Vault splits values at commas before it compares them with a policy's allowed_parameters.
		return errors.New("contains a comma: write it as %2C, and send it that way")
	case strings.ContainsAny(requestString, `#\`):
		return errors.New(`contains # or \: percent-encode it, and send it that way`)
	case strings.HasSuffix(requestString, "?"):
		return errors.New("ends in ?, which some clients send and others drop: leave it out")
	case strings.Contains(path, "//"):
		return errors.New("has // in its path")
	case completesAppID(appID, requestString):
		return errAppID
	}
	spelling, lowerAppID := requestString, strings.ToLower(appID)
	for range maxEncoding + 1 {
		if err := checkPath(path); err != nil {
			return err
		}
		if err := checkSignedOnce(lowerAppID, strings.ToLower(spelling)); err != nil {
			return err
		}
		decoded := percentDecoded(spelling)
		if decoded == spelling {
			return nil
		}
		// No escape extends across the first ?, so the path can be decoded on its own.
		spelling, path = decoded, percentDecoded(path)
	}
	return fmt.Errorf("is percent-encoded more than %d times", maxEncoding)
}

// maxEncoding is how many times a request string may be percent-encoded. Nobody needs more than two, and each takes time.
const maxEncoding = 8

var errAppID = errors.New("contains the app id: its signature would be valid for a second request")

func isPrintableASCII(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// checkPath checks one spelling of a path for what servers are known to read in different ways.
func checkPath(path string) error {
	switch {
	case !utf8.ValidString(path):
		// Lenient decoders read overlong UTF-8, such as %C0%AE, as the character that it stands for: a dot.
		return errors.New("has bytes in its path that are not valid UTF-8: percent-encode the path as UTF-8")
	case hasControlCharacter(path):
		// Some servers drop them, others end the path at a NUL or the request line at a line break.
		return errors.New("has an encoded control character in its path")
	case strings.Contains(path, "%u"), strings.Contains(path, "%U"):
		// IIS reads %u002E as a dot. An incomplete escape is refused too, because decoders differ on those.
		return errors.New("has a %u escape in its path: percent-encode the path as UTF-8")
	case hasDotSegment(path):
		return errors.New("has a . or .. segment in its path")
	default:
		return nil
	}
}

func hasControlCharacter(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] == 0x7f {
			return true
		}
	}
	return false
}

// hasDotSegment splits at / and \, because servers that decode before they split do so. It ignores spaces, which some
// servers drop, and what can follow a segment's name: parameters (..;a=b), a query, a fragment.
func hasDotSegment(path string) bool {
	if !strings.Contains(path, "/.") && !strings.Contains(path, " ") && !strings.Contains(path, `\`) {
		return false // quickly, as for most paths
	}
	for segment := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
		if end := strings.IndexAny(segment, ";?#"); end >= 0 {
			segment = segment[:end]
		}
		if name := strings.ReplaceAll(segment, " ", ""); name == "." || name == ".." {
			return true
		}
	}
	return false
}

// checkSignedOnce checks one spelling of a request string for the beginning of a second request that would have the
// same signature: the app id, before another date, or /v1.0/, after a longer one. Both arguments are in lower case.
func checkSignedOnce(appID, spelling string) error {
	switch {
	case appID != "" && strings.Contains(spelling, appID):
		return errAppID
	case strings.Contains(spelling[1:], "/v1.0/"):
		return errors.New("contains /v1.0/ after its beginning: its signature could be valid for a second request, from there on")
	default:
		return nil
	}
}

// completesAppID reports whether an app id starts in the date that is signed before a request string and ends in that
// string: 56/x does, in a date that ends in 56 and a request string that starts with /x.
func completesAppID(appID, requestString string) bool {
	for i := 1; i < len(appID) && strings.IndexByte(dateCharacters, appID[i-1]) >= 0; i++ {
		if strings.HasPrefix(requestString, appID[i:]) {
			return true
		}
	}
	return false
}

// dateCharacters are the characters of the dates that every DateFormat makes.
const dateCharacters = "0123456789-:.TZ"

// percentDecoded decodes every valid escape once and leaves the rest unchanged, also stray percent signs, which net/url
// would reject.
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
