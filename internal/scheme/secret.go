package scheme

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
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

// secretField is one of a scheme's secrets.
type secretField struct {
	name     string
	encoding encoding
	// key is what kind of key pair the secret is the private key of; "" for other secrets, which have an encoding.
	key keyKind
	// inHeader says that the secret, which is text, stands in a header of the login as it is.
	inHeader bool
}

// The faults of a secret. They never quote it: errors of package base64 and hex do.
var (
	errNotText = errors.New("is not UTF-8 text without control characters (printf %s writes no newline at the end, " +
		"echo does)")
	errNotBase64 = errors.New("is not base64")
	errNotHex    = errors.New("is not hex")
	errLength    = errors.New("must have 1 to 4096 bytes")
	errInHeader  = errors.New("must be printable ASCII without a space at either end, because the login sends it in a " +
		"header as it is")
)

// check returns what is wrong with a secret that is written, worded to follow its name. One that is stored is only
// decoded: it may be from before a rule.
func (f secretField) check(given secret.Text) error {
	if fault := secret.Fault(given.Reveal()); fault != "" {
		if f.key == "" && f.encoding == encodingText {
			fault += "; if the secret is no plain text, declare it with encoding: base64 and write its base64"
		}
		return errors.New(fault)
	}
	if f.key != "" {
		_, err := readKeyPair(given, f.key)
		return err
	}
	_, err := f.decode(given)
	return err
}

// decode returns the bytes of a secret. The error is worded to follow its name.
func (f secretField) decode(given secret.Text) (secret.Text, error) {
	text := given.Reveal()
	if len(text) > 2*maxSecret {
		return "", errLength
	}
	decoded := []byte(text)
	var err error
	switch f.encoding {
	case encodingBase64:
		decoded, err = base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || strings.ContainsAny(text, "\r\n") { // which package base64 skips
			return "", errNotBase64
		}
	case encodingHex:
		if decoded, err = hex.DecodeString(text); err != nil {
			return "", errNotHex
		}
	case encodingText:
		if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			return "", errNotText
		}
		if f.inHeader && !sendable(text) {
			return "", errInHeader
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
	whole, err := s.whole()
	if err != nil {
		return err
	}
	public := slices.AppendSeq(append(slices.Clone(whole.document.texts), v.BaseURL), maps.Values(v.Fields))
	for _, x := range whole.document.examples {
		for _, f := range s.document.secrets {
			if f.key != "" {
				continue // the example's own text is among those of the document
			}
			if decoded, err := f.decode(x.values.Secrets[f.name]); err == nil {
				public = append(public, decoded.Reveal())
			}
		}
	}
	for _, text := range public {
		if strings.ContainsAny(text, "%+") { // + is a space in forms only, so both readings count
			public = append(public, formDecode(text), formDecode(strings.ReplaceAll(text, "+", "%2B")))
		}
	}
	lower := make([]string, len(public))
	for i, text := range public {
		lower[i] = strings.ToLower(text)
	}
	for _, f := range s.document.secrets {
		given := v.Secrets[f.name]
		if f.key != "" {
			key, err := readKeyPair(given, f.key)
			if err != nil {
				return fmt.Errorf("%s %w", f.name, err)
			}
			if key.isIn(public) || isIn(plainKey(given.Reveal()), public, lower) {
				return errHidden(f.name)
			}
			continue
		}
		decoded, err := f.decode(given)
		if err != nil {
			return fmt.Errorf("%s %w", f.name, err)
		}
		if isIn(given.Reveal(), public, lower) || isIn(decoded.Reveal(), public, lower) ||
			f.encoding == encodingHex && occurs(strings.ToLower(given.Reveal()), lower) {
			return errHidden(f.name)
		}
	}
	return nil
}

func errHidden(name string) error {
	return fmt.Errorf("%s is in the scheme, a field or base_url, which are read back; use made-up secrets in examples",
		name)
}

// minHidden is the length from which on a secret may not occur inside other text: a shorter one can occur by chance.
const minHidden = 8

// occurs reports whether a value is one of some texts or, if it is long enough, occurs in one of them.
func occurs(value string, texts []string) bool {
	return slices.ContainsFunc(texts, func(text string) bool {
		return text == value || len(value) >= minHidden && strings.Contains(text, value)
	})
}

// isIn reports whether a secret occurs in some texts, as it is or encoded. lower are the texts in lower case.
func isIn(value string, texts, lower []string) bool {
	return occurs(value, texts) || len(value) >= minHidden && (occurs(hex.EncodeToString([]byte(value)), lower) ||
		slices.ContainsFunc(inBase64(value), func(spelling string) bool { return occurs(spelling, texts) }))
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
