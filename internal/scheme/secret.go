package scheme

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// maxSecret is the size of the largest secret, in bytes after decoding.
const maxSecret = 4 << 10

// encoding is how a secret is given.
type encoding string

const (
	encodingText   encoding = "text"
	encodingBase64 encoding = "base64"
	encodingHex    encoding = "hex"
)

func (e encoding) known() bool { return e == encodingText || e == encodingBase64 || e == encodingHex }

// secretDeclaration is one of a scheme's secrets.
type secretDeclaration struct {
	name     string
	encoding encoding
}

// The faults of a secret. They never quote it: errors of package base64 and hex do.
var (
	errNotText   = errors.New("is not UTF-8 text without control characters (printf %s writes no newline at the end, echo does)")
	errNotBase64 = errors.New("is not base64")
	errNotHex    = errors.New("is not hex")
	errLength    = errors.New("must have 1 to 4096 bytes")
)

// check returns what is wrong with a secret that is written, worded to follow its name. One that is stored is only
// decoded: it may be from before a rule.
func (s secretDeclaration) check(given secret.Text) error {
	fault := secret.Fault(given.Reveal())
	switch {
	case fault != "" && s.encoding == encodingText:
		return errors.New(fault + "; if the secret is no plain text, declare it with encoding: base64 and write its " +
			"base64")
	case fault != "":
		return errors.New(fault)
	}
	_, err := s.decode(given)
	return err
}

// decode returns the bytes of a secret. The error is worded to follow its name.
func (s secretDeclaration) decode(given secret.Text) (secret.Text, error) {
	text := given.Reveal()
	if len(text) > 2*maxSecret {
		return "", errLength
	}
	decoded := text
	switch s.encoding {
	case encodingBase64:
		octets, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || strings.ContainsAny(text, "\r\n") { // which package base64 skips
			return "", errNotBase64
		}
		decoded = string(octets)
	case encodingHex:
		octets, err := hex.DecodeString(text)
		if err != nil {
			return "", errNotHex
		}
		decoded = string(octets)
	case encodingText:
		if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			return "", errNotText
		}
	}
	if len(decoded) == 0 || len(decoded) > maxSecret {
		return "", errLength
	}
	return secret.Text(decoded), nil
}

// minHidden is the length from which on a secret may not occur inside other text: a shorter one can occur by chance.
const minHidden = 8

// isIn says whether a secret, as it was given or decoded, is one of some texts, or occurs in one of them as it is or encoded. lower are
// the texts in lower case.
func (s secretDeclaration) isIn(given, decoded secret.Text, texts, lower []string) bool {
	if digits := strings.ToLower(given.Reveal()); s.encoding == encodingHex {
		if slices.ContainsFunc(lower, func(text string) bool {
			return text == digits || (len(digits) >= minHidden && strings.Contains(text, digits))
		}) {
			return true
		}
	}
	for _, value := range []string{given.Reveal(), decoded.Reveal()} {
		if slices.Contains(texts, value) {
			return true
		}
		if len(value) < minHidden {
			continue
		}
		spellings := []string{
			value, base64.RawStdEncoding.EncodeToString([]byte(value)), base64.RawURLEncoding.EncodeToString([]byte(value)),
		}
		hexadecimal := hex.EncodeToString([]byte(value))
		for i, text := range texts {
			if slices.ContainsFunc(spellings, func(spelling string) bool { return strings.Contains(text, spelling) }) ||
				strings.Contains(lower[i], hexadecimal) {
				return true
			}
		}
	}
	return false
}
