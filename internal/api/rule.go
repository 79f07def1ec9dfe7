package api

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"unicode"

	"github.com/apisig/vault-plugin-apisig/internal/baseurl"
)

// Limits of what may be stored, in bytes.
const (
	MaxText  = 1 << 10  // what is not named below
	maxValue = 64 << 10 // secrets and certificates
)

// A Rule returns what is wrong with a value, worded to follow the name of the field, or "". It never quotes the value.
type Rule func(value string) string

// AtMost is a limit in bytes.
func AtMost(bytes int) Rule {
	return func(value string) string {
		if len(value) > bytes {
			return fmt.Sprintf("is longer than %d bytes", bytes)
		}
		return ""
	}
}

// PlainText has no control characters. A newline is usually a mistake: it comes with a file or a pipe.
func PlainText(value string) string {
	if strings.ContainsFunc(value, unicode.IsControl) {
		return "contains a newline or another control character (printf %s writes none at the end, echo does)"
	}
	return ""
}

// HeaderText can be sent in a header as it is.
func HeaderText(value string) string {
	if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "contains a space, a control character or one outside ASCII"
	}
	return ""
}

// address is an address of an API, or nothing.
func address(value string) string {
	if value == "" {
		return ""
	}
	if _, err := baseurl.Parse(value); err != nil {
		return err.Error() + "; it must be " + baseurl.Rule
	}
	return ""
}

// CleanAddress drops slashes at the end of an address.
func CleanAddress(value string) string {
	parsed, err := baseurl.Parse(value)
	if err != nil {
		return value
	}
	return parsed
}

// EndsIn refuses an address that ends in one of some paths, for a reason.
func EndsIn(reason string, paths ...string) Rule {
	return func(value string) string {
		for _, path := range paths {
			if strings.HasSuffix(strings.ToLower(strings.TrimRight(value, "/")), path) {
				return "ends in " + path + ", " + reason + ": leave that out"
			}
		}
		return ""
	}
}

// certificates accepts PEM text that contains certificates and nothing that may be a key.
func certificates(value string) string {
	_, fault := certificateBlocks(value)
	return fault
}

// cleanCertificates leaves nothing but the certificates. The text is read back, and a key may have come along, in a
// damaged block that reads as a comment.
func cleanCertificates(value string) string {
	blocks, _ := certificateBlocks(value)
	var clean strings.Builder
	for _, der := range blocks {
		_ = pem.Encode(&clean, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	return clean.String()
}

// plainPEM undoes what PEM looks like in an environment variable, or copied from JSON: a pair of double quotes around
// it, and \n as two characters.
func plainPEM(text string) string {
	if quoted := strings.TrimSpace(text); len(quoted) > 1 && quoted[0] == '"' && quoted[len(quoted)-1] == '"' {
		text = quoted[1 : len(quoted)-1]
	}
	return strings.NewReplacer(`\r\n`, "\n", `\n`, "\n").Replace(text)
}

// certificateBlocks returns the DER of each certificate in a PEM text; of "" none. fault is "" or what is wrong.
func certificateBlocks(text string) (blocks [][]byte, fault string) {
	if len(text) > maxValue { // parsing takes time
		return nil, AtMost(maxValue)(text)
	}
	text = plainPEM(text)
	for rest := []byte(text); text != "" && (len(blocks) == 0 || len(bytes.TrimSpace(rest)) > 0); {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, "contains something that is not PEM"
		}
		if block.Type != "CERTIFICATE" {
			return nil, "contains PEM that is not a certificate"
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return nil, "contains a certificate that cannot be parsed"
		}
		blocks = append(blocks, block.Bytes)
	}
	return blocks, ""
}
