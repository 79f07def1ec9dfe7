// Package requeststring has the rules for request strings: a path and a query, as they are sent. A string that keeps
// them means the same to every server and proxy, so that a policy or an allow list can compare its beginning.
package requeststring

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Max is the length of the longest request string, in bytes.
const Max = 8 << 10

// Check returns nil if a request string keeps the rules. Otherwise it returns an error that says what is wrong with the
// string, worded to follow the name of a parameter.
//
// The path stays below every prefix of it, however a server or proxy decodes and normalizes it: no dot segments, empty
// segments, backslashes, fragments, control characters, overlong UTF-8, %u escapes, or characters that become a dot, a
// slash, a backslash or a percent sign. That applies to the string as it stands and to every spelling that
// percent-decoding makes of it. also, if it is not nil, checks each of these spellings.
func Check(requestString string, also func(spelling string) error) error {
	return check(requestString, false, also)
}

// CheckWithCommas is Check, and allows commas. Vault splits the values of a policy's allowed_parameters at commas, so a
// policy cannot hold such a string.
func CheckWithCommas(requestString string, also func(spelling string) error) error {
	return check(requestString, true, also)
}

func check(requestString string, commas bool, also func(spelling string) error) error {
	path, _, _ := strings.Cut(requestString, "?")
	switch {
	case requestString == "":
		return errors.New("is empty")
	case len(requestString) > Max:
		return fmt.Errorf("is longer than %d bytes", Max)
	case requestString[0] != '/':
		return errors.New("does not start with /")
	case strings.ContainsFunc(requestString, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("contains a space, a control character or one outside ASCII: percent-encode it, and send it that " +
			"way")
	case !commas && strings.Contains(requestString, ","):
		// Vault splits values at commas before it compares them with a policy's allowed_parameters.
		return errors.New("contains a comma: write it as %2C, and send it that way")
	case strings.ContainsAny(requestString, `#\`):
		return errors.New(`contains # or \: percent-encode it, and send it that way`)
	case strings.HasSuffix(requestString, "?"):
		return errors.New("ends in ?, which some clients send and others drop: leave it out")
	case strings.Contains(path, "//"):
		return errors.New("has // in its path")
	}
	spelling := requestString
	for range maxEncoding + 1 {
		if err := checkPath(path); err != nil {
			return err
		}
		if also != nil {
			if err := also(spelling); err != nil {
				return err
			}
		}
		decoded := PercentDecoded(spelling)
		if decoded == spelling {
			return nil
		}
		// No escape extends across the first ?, so the path can be decoded on its own.
		spelling, path = decoded, PercentDecoded(path)
	}
	return fmt.Errorf("is percent-encoded more than %d times", maxEncoding)
}

// maxEncoding is how many times a request string may be percent-encoded. Nobody needs more than two, and each takes
// time.
const maxEncoding = 8

// checkPath checks one spelling of a path for what servers are known to read in different ways.
func checkPath(path string) error {
	switch {
	case !utf8.ValidString(path):
		// Lenient decoders read overlong UTF-8, such as %C0%AE, as the character that it stands for: a dot.
		return errors.New("has bytes in its path that are not valid UTF-8: percent-encode the path as UTF-8")
	case strings.ContainsFunc(path, isLookalike):
		return errors.New(`has a character in its path that some servers turn into ., /, \ or %, such as a full-width dot: ` +
			"leave it out")
	case strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }):
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

// PercentDecoded decodes every valid escape once and leaves the rest unchanged, also stray percent signs, which net/url
// would reject.
func PercentDecoded(text string) string {
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
