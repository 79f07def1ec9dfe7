package api

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// Value is what a config has for one field: a text, seconds or a flag, by the field's kind. A public text is kept like
// a secret one, which is not printed by accident.
type Value struct {
	Text    secret.Text
	Seconds int
	Flag    bool
}

// plain is the value as storage and reads have it: an int, a bool or a string, by the field's kind.
func (v Value) plain(f Field) any {
	switch f.Kind {
	case Seconds:
		return v.Seconds
	case Flag:
		return v.Flag
	default:
		return v.Text.Reveal()
	}
}

// Values are what a config has for the fields of its form. They have all of them, and do not change.
type Values struct {
	api  *API
	form *Form
	of   map[place]Value
}

// place tells a field of a document from one of the same name that every config has. A document that an earlier version
// stored can have one: its own meaning wins.
type place struct{ group, name string }

func (f Field) place() place { return place{f.Group, f.Name} }

// String shows nothing of the values.
func (v Values) String() string { return "values of " + v.api.Name }

// Format shows nothing of the values, whatever the verb.
func (v Values) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, v.String()) }

// Fields are those that there are values of, and those about one write.
func (v Values) Fields() []Field { return v.form.Fields }

// Form is that of the values.
func (v Values) Form() *Form { return v.form }

// Has reports whether a field is one of these values'.
func (v Values) Has(f Field) bool { _, has := v.of[f.place()]; return has }

// text is the plain text of a field; "" if the config has no such field.
func (v Values) text(f Field) string { return v.of[f.place()].Text.Reveal() }

// value is that of a field that the config must have. It panics if not, which is a mistake in an API's own code: its
// form lacks a field that Open reads, and no config of it could be opened.
func (v Values) value(f Field) Value {
	value, has := v.of[f.place()]
	if !has {
		panic("the form of " + v.api.Name + " has no field " + f.Name)
	}
	return value
}

// Text is a text that is not secret.
func (v Values) Text(f Field) string { return v.value(f).Text.Reveal() }

// Secret is a secret.
func (v Values) Secret(f Field) secret.Text { return v.value(f).Text }

// Seconds is a duration of whole seconds.
func (v Values) Seconds(f Field) time.Duration {
	return time.Duration(v.value(f).Seconds) * time.Second
}

// Detected is the format that a login found; "" if none did, or there is no choice.
func (v Values) Detected() string {
	if v.api.Format == nil {
		return ""
	}
	return v.Text(v.api.Format.Detected)
}

// Learn returns the values with the format that worked, if they leave the choice to auto.
func (v Values) Learn(format string) Values {
	if f := v.api.Format; f != nil && v.Text(f.Chosen) == FormatAuto {
		return v.with(f.Detected, Value{Text: secret.Text(format)})
	}
	return v
}

// with is a copy in which one field has another value.
func (v Values) with(f Field, value Value) Values {
	of := maps.Clone(v.of)
	of[f.place()] = value
	return Values{v.api, v.form, of}
}

// Equal reports whether two configs have the same values.
func (v Values) Equal(other Values) bool { return maps.Equal(v.of, other.of) }

// SameAccount reports whether a token that was got with the other config can be handed out for this one.
func (v Values) SameAccount(other Values) bool {
	return !slices.ContainsFunc(v.form.Fields, func(f Field) bool {
		return f.Account && v.of[f.place()] != other.of[f.place()]
	})
}

// Open checks whether the values can be used, and makes an account of them. An error is an Invalid.
func (v Values) Open() (*Account, error) {
	if v.form.Problem != nil {
		return nil, v.form.Problem
	}
	if err := v.checkComplete(); err != nil {
		return nil, err
	}
	return v.form.Open(v)
}

// checkComplete says what keeps a config from being opened: a required field that is missing, or a value that this
// version does not know.
func (v Values) checkComplete() error {
	var missing []string
	for _, f := range v.form.Fields {
		if f.Required && v.of[f.place()].Text == "" {
			missing = append(missing, f.Name)
		}
	}
	switch len(missing) {
	case 0:
	case 1:
		return Invalidf("%s is required", missing[0])
	default:
		return Invalidf("%s are required", strings.Join(missing, ", "))
	}
	for _, f := range v.form.Fields {
		if f.Kind == Text && !f.allows(v.text(f)) {
			return f.notAllowed()
		}
	}
	return nil
}

// Outdated says that the config goes on working although a write of its document would be refused today, and why; "" if
// it would not.
func (v Values) Outdated() string {
	if v.form.Outdated == nil {
		return ""
	}
	return "this config goes on working, but a write of its declaration would be refused: " + v.form.Outdated.Error()
}

// Readable is a read's answer: every stored field except the secrets, and what the document says.
func (v Values) Readable() map[string]any {
	answer := map[string]any{}
	for _, f := range v.form.Fields {
		if value := v.of[f.place()]; f.Readable() && (!f.OmitEmpty || value.Text != "") {
			answer[f.Name] = value.plain(f)
		}
	}
	maps.Copy(answer, v.form.Readable)
	return answer
}

// SecretDates are what is known of a config's secret; zero for what is not.
type SecretDates struct{ Written, Expires time.Time }

// SecretDates are those of the config.
func (v Values) SecretDates() SecretDates {
	return SecretDates{instantOf(v.text(SecretWrittenAt)), instantOf(v.text(SecretExpiresAt))}
}

// instantOf is the time that a text says, zero for none.
func instantOf(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

// secretNames are the names of the secrets among some fields.
func secretNames(fields []Field) []string {
	var names []string
	for _, f := range fields {
		if f.Kind == Secret {
			names = append(names, f.Name)
		}
	}
	return names
}
