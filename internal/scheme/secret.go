package scheme

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
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

// CheckHidden makes sure that no secret of a config is in what is read back: the document, the fields or base_url. A
// write that brings any of these is held to it. A config that is stored is not, because it was held to the rule of its
// time. The error names the secret and quotes nothing.
func (s *Scheme) CheckHidden(v Values) error {
	texts, err := s.publicTexts()
	if err != nil {
		return err
	}
	public := publicTexts(append(texts, v.BaseURL))
	for _, value := range v.Fields {
		public = append(public, value)
	}
	public = public.withDecoded()
	lower := public.lower()
	for _, declared := range s.document.secrets {
		given := v.Secrets[declared.name]
		decoded, err := declared.decode(given)
		if err != nil {
			return fmt.Errorf("%s %w", declared.name, err)
		}
		if declared.isIn(given, decoded, public, lower) {
			return fmt.Errorf("%s is in the scheme, a field or base_url, which are read back; use made-up secrets in examples",
				declared.name)
		}
	}
	return nil
}

// publicTexts are texts in which no secret may be.
type publicTexts []string

// withDecoded adds what the texts are without their percent-encoding. + is a space in forms only, so both readings
// count.
func (p publicTexts) withDecoded() publicTexts {
	all := slices.Clone(p)
	for _, text := range p {
		if strings.ContainsAny(text, "%+") {
			all = append(all, formDecode(text), formDecode(strings.ReplaceAll(text, "+", "%2B")))
		}
	}
	return all
}

func (p publicTexts) lower() publicTexts {
	lower := make(publicTexts, len(p))
	for i, text := range p {
		lower[i] = strings.ToLower(text)
	}
	return lower
}

// equal reports whether one of the texts is a value.
func (p publicTexts) equal(value string) bool { return slices.Contains(p, value) }

// contain reports whether one of the texts contains a value.
func (p publicTexts) contain(value string) bool {
	return slices.ContainsFunc(p, func(text string) bool { return strings.Contains(text, value) })
}

// minHidden is the length from which on a secret may not occur inside other text: a shorter one can occur by chance.
const minHidden = 8

// isIn reports whether a secret, as it was given or decoded, is one of some texts, or occurs in one of them as it is or
// encoded. lower are the texts in lower case.
func (s secretDeclaration) isIn(given, decoded secret.Text, texts, lower publicTexts) bool {
	if digits := strings.ToLower(given.Reveal()); s.encoding == encodingHex {
		if lower.equal(digits) || len(digits) >= minHidden && lower.contain(digits) {
			return true
		}
	}
	for _, value := range []string{given.Reveal(), decoded.Reveal()} {
		if texts.equal(value) {
			return true
		}
		if len(value) < minHidden {
			continue
		}
		if texts.contain(value) || lower.contain(hex.EncodeToString([]byte(value))) ||
			slices.ContainsFunc(inBase64(value), texts.contain) {
			return true
		}
	}
	return false
}

// inBase64 is what base64 and base64url make of a value wherever it stands in a text. What stands before it decides
// which of three spellings it gets, and about the first characters; what comes after it decides about the last.
func inBase64(value string) []string {
	var spellings []string
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			encoded := encoding.EncodeToString([]byte(strings.Repeat("\x00", before) + value))
			spellings = append(spellings, encoded[(8*before+5)/6:8*(before+len(value))/6])
		}
	}
	return spellings
}
