// Package secret has the type that API secrets and tokens travel in, so that none is printed by accident.
package secret

import (
	"fmt"
	"io"
)

const redacted = "[redacted]"

// Text is a secret as text. Every way of printing it, JSON included, gives "[redacted]"; only Reveal gives
// the secret itself. It decodes from JSON as a plain string. The zero value is no secret at all.
type Text string

// Reveal returns the secret. Whoever calls it answers for where it goes.
func (t Text) Reveal() string { return string(t) }

// String returns "[redacted]", and so do the other printing methods.
func (Text) String() string { return redacted }

// GoString is String for %#v.
func (Text) GoString() string { return redacted }

// Format is String for every verb of package fmt, %x and %d among them, which would pass String by.
func (Text) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, redacted) }

// MarshalText is String for encoders: JSON, XML, YAML, log handlers. The storage of a config therefore writes Reveal.
func (Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }
