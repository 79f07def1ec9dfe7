package api

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// The groups of fields that a document declares.
const (
	GroupSecrets = "secrets"
	GroupFields  = "fields"
)

// Kind is what kind of value a field has.
type Kind int

// The kinds of fields.
const (
	Text         Kind = iota // a string
	Secret                   // a string that is never read back
	Seconds                  // a duration in whole seconds
	Certificates             // certificates as PEM text
	Flag                     // true or false
)

// Field declares one field of a config. The schema of the path, merging and checking of writes, storage, reads, help,
// OpenAPI and the tables of docs/reference.md all follow from it.
type Field struct {
	// Name is that of the parameter, and of the value in storage.
	Name string
	Kind Kind
	// Help is what path-help shows and docs/reference.md prints: what the field is, and its effect.
	Help string

	// Default is a string, int or bool; nil is the zero value of the kind.
	Default any
	// Absent is what a stored entry that lacks the field counts as, a text; "" for the default.
	Absent string
	// Required reports whether a config is of no use without the field.
	Required bool
	// OneOf lists the values that a text may have; nil for any.
	OneOf []string
	// FromName reports whether the config's name is the value, where it is one of OneOf and a write leaves the field
	// empty.
	FromName bool
	// Least and Most bound seconds. A stored value beyond them counts as the nearest of them.
	Least, Most int
	// Credential reports whether the field is part of what authenticates. A write warns of blanks at its ends. A secret
	// always is one.
	Credential bool
	// Rules are what the value that a write names must keep. They are not applied to what is stored: a rule that is new
	// must not break a config that works.
	Rules []Rule
	// Clean, if set, returns the value as it is stored. It is called with a value that keeps the rules.
	Clean func(string) string

	// Bound reports whether the stored secrets were given for this value: a write that changes it must contain them.
	Bound bool
	// Account reports whether a token belongs to this value: one of a config with another value is not handed out.
	Account bool
	// Address reports whether the value decides where calls go. What a login detected is forgotten when it changes.
	Address bool
	// Learned reports whether the engine writes the field, not a caller.
	Learned bool
	// OmitEmpty reports whether the field is neither stored nor read while it is empty.
	OmitEmpty bool
	// Unstored reports whether the field is about one write, and is neither stored nor read.
	Unstored bool
	// Group is the object of the entry that the field is stored in; "" for the entry itself. Only the fields of a document
	// are in one.
	Group string
}

// Description is the help text with what follows from the declaration: bounds, default, and whether the field is
// required.
func (f Field) Description() string {
	sentences := []string{f.Help}
	if f.Kind == Seconds {
		sentences = append(sentences, fmt.Sprintf("From %s to %s.", Duration(f.Least), Duration(f.Most)))
	}
	if f.Kind == Secret {
		sentences = append(sentences, "Never read back.")
	}
	switch {
	case f.Bound && f.Kind == Certificates:
		sentences = append(sentences, "Adding one needs the secret in the same write.")
	case f.Bound:
		sentences = append(sentences, "Changing it needs the secret in the same write.")
	}
	if fallback := f.DefaultText(); fallback != "" {
		sentences = append(sentences, "Default: "+fallback+".")
	}
	if f.Required {
		sentences = append(sentences, "Required.")
	}
	return strings.Join(sentences, " ")
}

// DefaultText is the default as a user would write it, "" for none.
func (f Field) DefaultText() string {
	switch fallback := f.Default.(type) {
	case int:
		return Duration(fallback)
	case nil:
		return ""
	default:
		return fmt.Sprint(fallback)
	}
}

// Duration writes a number of seconds as a user would: 150s, 10m.
func Duration(seconds int) string {
	if seconds >= 300 && seconds%60 == 0 {
		return fmt.Sprintf("%dm", seconds/60)
	}
	return fmt.Sprintf("%ds", seconds)
}

// Readable reports whether a read of the config returns the field.
func (f Field) Readable() bool { return !f.Unstored && f.Kind != Secret }

// initial is what the field has in a config that does not mention it.
func (f Field) initial() Value {
	var v Value
	switch fallback := f.Default.(type) {
	case string:
		v.Text = secret.Text(fallback)
	case int:
		v.Seconds = fallback
	case bool:
		v.Flag = fallback
	}
	return v
}

// check holds a text that a write names against the field's rules.
func (f Field) check(value string) error {
	if f.Required && value == "" {
		return Invalidf("%s is required", f.Name)
	}
	if !f.allows(value) {
		return f.notAllowed()
	}
	rules := f.Rules
	if f.Kind == Secret && rules == nil {
		rules = []Rule{AtMost(maxValue), PlainText, secret.Fault}
	}
	for _, rule := range rules {
		if fault := rule(value); fault != "" {
			return Invalidf("%s %s", f.Name, fault)
		}
	}
	return nil
}

// allows reports whether a text is one of those that the field may have. An optional one may be empty.
func (f Field) allows(value string) bool {
	return f.OneOf == nil || slices.Contains(f.OneOf, value) || (value == "" && f.Default == nil)
}

func (f Field) notAllowed() error {
	return Invalidf("%s must be one of %s", f.Name, strings.Join(f.OneOf, ", "))
}

// isText reports whether a field's values are texts that rules can be about.
func (f Field) isText() bool { return f.Kind == Text || f.Kind == Secret || f.Kind == Certificates }
