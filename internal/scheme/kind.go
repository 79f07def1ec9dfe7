package scheme

import "strings"

// kind is the type of an expression. It is known when a scheme is read: there is no dynamic type.
type kind int

const (
	kindString     kind = iota // public text
	kindBytes                  // public bytes: a digest, or the bytes of a string
	kindSecret                 // a secret, raw, joined with something, or encoded
	kindBool                   // a condition
	kindTimestamp              // now
	kindPrivateKey             // the private key of a key pair; its value is its name, so that none has the key itself
)

func (k kind) String() string {
	return [...]string{"string", "bytes", "secret", "bool", "timestamp", "private_key"}[k]
}

// kindNames are some types in words.
func kindNames(kinds []kind) []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.String()
	}
	return names
}

// alternatives joins words: "a", "a or b", "a, b or c".
func alternatives(words []string) string {
	last := len(words) - 1
	if last <= 0 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
