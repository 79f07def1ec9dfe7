package backend

import (
	"fmt"
	"strings"

	"github.com/hashicorp/vault/sdk/framework"
)

// The groups of fields that a config declares.
const (
	groupSecrets = "secrets"
	groupFields  = "fields"
)

// fieldKind is what kind of value a config field has.
type fieldKind int

const (
	textField         fieldKind = iota // a string
	secretField                        // a string that is never read back
	secondsField                       // a duration in whole seconds, an int
	certificatesField                  // certificates as PEM text
	boolField                          // a bool
)

// field declares one field of a vendor's config. The schema of the path, merging and checking of writes, storage, reads, help,
// OpenAPI and the tables of docs/reference.md all follow from it.
type field struct {
	// name is that of the parameter, and of the value in storage.
	name string
	kind fieldKind
	// help is what path-help shows and docs/reference.md prints: what the field is, and its effect.
	help string

	// fallback is the default, a string, int or bool; nil is the zero value of the kind.
	fallback any
	// absent is what a stored entry that lacks the field counts as; nil for the default.
	absent any
	// required says that a config is of no use without the field.
	required bool
	// oneOf lists the values that a text may have; nil for any.
	oneOf []string
	// least and most bound seconds. A stored value beyond them counts as the nearest of them.
	least, most int
	// credential says that the field is part of what authenticates. A write warns of blanks at its ends. A secret
	// always is one.
	credential bool
	// rules are what the value that a write names must keep. They are not applied to what is stored: a rule that is new must
	// not break a config that works.
	rules []rule
	// clean, if set, returns the value as it is stored. It is called with a value that keeps the rules.
	clean func(string) string

	// bound says that the stored secrets were given for this value: a write that changes it must contain them.
	bound bool
	// account says that a token belongs to this value: one of a config with another value is not handed out.
	account bool
	// learned says that the engine writes the field, not a caller.
	learned bool
	// omitEmpty says that the field is neither stored nor read while it is empty.
	omitEmpty bool
	// unstored says that the field is about one write, and is neither stored nor read.
	unstored bool
	// group is the object of the entry that the field is stored in; "" for the entry itself. Only fields that a config declares are
	// in one.
	group string
}

// schema is the field as the SDK declares a parameter.
func (f field) schema() *framework.FieldSchema {
	schema := &framework.FieldSchema{Description: f.description(), Default: f.fallback}
	switch f.kind {
	case secondsField:
		schema.Type = framework.TypeDurationSecond
	case boolField:
		schema.Type = framework.TypeBool
	case secretField:
		schema.Type = framework.TypeString
		schema.DisplayAttrs = &framework.DisplayAttributes{Sensitive: true}
	case certificatesField:
		schema.Type = framework.TypeString
		schema.DisplayAttrs = &framework.DisplayAttributes{EditType: "file"}
	case textField:
		schema.Type = framework.TypeString
	}
	for _, value := range f.oneOf {
		schema.AllowedValues = append(schema.AllowedValues, value)
	}
	return schema
}

// description is the help text with what follows from the declaration: bounds, default, and whether the field is required.
func (f field) description() string {
	sentences := []string{f.help}
	if f.kind == secondsField {
		sentences = append(sentences, fmt.Sprintf("From %s to %s.", seconds(f.least), seconds(f.most)))
	}
	if f.kind == secretField {
		sentences = append(sentences, "Never read back.")
	}
	switch {
	case f.bound && f.kind == certificatesField:
		sentences = append(sentences, "Adding one needs the secret in the same write.")
	case f.bound:
		sentences = append(sentences, "Changing it needs the secret in the same write.")
	}
	if fallback := f.fallbackText(); fallback != "" {
		sentences = append(sentences, "Default: "+fallback+".")
	}
	if f.required {
		sentences = append(sentences, "Required.")
	}
	return strings.Join(sentences, " ")
}

// fallbackText is the default as a user would write it, "" for none.
func (f field) fallbackText() string {
	switch fallback := f.fallback.(type) {
	case int:
		return seconds(fallback)
	case nil:
		return ""
	default:
		return fmt.Sprint(fallback)
	}
}

// seconds writes a number of seconds the way a user would: 150s, 10m.
func seconds(value int) string {
	if value >= 300 && value%60 == 0 {
		return fmt.Sprintf("%dm", value/60)
	}
	return fmt.Sprintf("%ds", value)
}

// zero is what the field has in a config that does not mention it.
func (f field) zero() any {
	switch {
	case f.fallback != nil:
		return f.fallback
	case f.kind == secondsField:
		return 0
	case f.kind == boolField:
		return false
	default:
		return ""
	}
}
