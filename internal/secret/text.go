// Package secret has a type for API secrets and tokens, so that they are not printed by accident.
package secret

import (
	"fmt"
	"io"
)

const redacted = "[redacted]"

// Text is a secret. Printing or encoding it gives "[redacted]"; only Reveal returns the secret itself. It decodes from
// JSON as a plain string. The zero value means that there is no secret, and prints as "[redacted]" too.
//
// There are exceptions. Package fmt calls no method for %p and %w (go vet reports both), or on an unexported field of a
// struct: do not print a struct that has a secret in one. And a Text must not be the key of a JSON object or an XML
// comment, which encoders write without MarshalText.
type Text string

// Reveal returns the secret. The caller must not log it, or return it in an error.
func (t Text) Reveal() string { return string(t) }

// String returns "[redacted]".
func (Text) String() string { return redacted }

// GoString returns "[redacted]". It is for code that calls it directly, because Format handles %#v too.
func (Text) GoString() string { return redacted }

// Format prints "[redacted]" for every verb of package fmt, because %d and others do not call String.
func (Text) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, redacted) }

// MarshalText returns "[redacted]" to encoders (JSON, XML, YAML) and log handlers. Code that stores a secret must
// encode the result of Reveal.
func (Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }
