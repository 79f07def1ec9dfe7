package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// Value is what a config has for one field: a text, seconds or a flag, by the field's kind. A public text is kept like a secret
// one, which is not printed by accident.
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

// place tells a field of a document from one of the same name that every config has. A document that an earlier version stored
// can have one: its own meaning wins.
type place struct{ group, name string }

func (f Field) place() place { return place{f.Group, f.Name} }

// String shows nothing of the values.
func (v Values) String() string { return "values of " + v.api.Name }

// Fields are those that there are values of, and those about one write.
func (v Values) Fields() []Field { return v.form.Fields }

// Form is that of the values.
func (v Values) Form() *Form { return v.form }

// Has reports whether a field is one of these values'.
func (v Values) Has(f Field) bool { _, has := v.of[f.place()]; return has }

// text is the plain text of a field; "" if the config has no such field.
func (v Values) text(f Field) string { return v.of[f.place()].Text.Reveal() }

// value is that of a field that the config must have. It panics if not, which is a mistake in an API's own code: its form lacks a
// field that Open reads, and no config of it could be opened.
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
	return !slices.ContainsFunc(v.form.Fields, func(f Field) bool { return f.Account && v.of[f.place()] != other.of[f.place()] })
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

// checkComplete says what keeps a config from being opened: a required field that is missing, or a value that this version does
// not know.
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

// Outdated says that the config goes on working although a write of its document would be refused today, and why; "" if it
// would not.
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

// ErrDamaged is the error for a storage entry that cannot be a config.
var ErrDamaged = errors.New("the storage entry is damaged; delete the config and write it again")

// New are values of nothing but defaults, of a config whose document is not known.
func (a *API) New() Values { return a.newValues(&a.Form) }

func (a *API) newValues(form *Form) Values {
	v := Values{a, form, map[place]Value{}}
	for _, f := range form.Fields {
		if !f.Unstored {
			v.of[f.place()] = f.initial()
		}
	}
	return v
}

// Decode reads a config from a storage entry, with the default of each field that the entry lacks. known is the config as it was
// before: if its document is the same, that need not be read again, which takes time. An error quotes nothing.
func (a *API) Decode(entry []byte, known *Values) (Values, error) {
	common, stored, err := a.decodeCommon(entry)
	if err != nil || a.Document == nil {
		return common, err
	}
	text := common.text(a.Document.Field)
	var form *Form
	if known != nil && known.text(a.Document.Field) == text {
		form = known.form
	} else {
		form = a.formOf(text)
	}
	v := a.newValues(form)
	for at := range v.of {
		if at.group == "" {
			v.of[at] = common.of[at]
		}
	}
	for _, group := range []string{GroupSecrets, GroupFields} {
		if stored[group] == nil {
			continue
		}
		var values map[string]json.RawMessage
		if err := json.Unmarshal(stored[group], &values); err != nil {
			return Values{}, ErrDamaged
		}
		if err := v.decode(values, group); err != nil {
			return Values{}, err
		}
	}
	return v, nil
}

// DecodeDates reads what an entry says of its secret, without its document.
func (a *API) DecodeDates(entry []byte) (SecretDates, error) {
	common, _, err := a.decodeCommon(entry)
	if err != nil {
		return SecretDates{}, err
	}
	return common.SecretDates(), nil
}

// decodeCommon reads what every config has, and returns the objects of the entry.
func (a *API) decodeCommon(entry []byte) (Values, map[string]json.RawMessage, error) {
	var stored map[string]json.RawMessage
	if err := json.Unmarshal(entry, &stored); err != nil {
		return Values{}, nil, ErrDamaged
	}
	v := a.New()
	return v, stored, v.decode(stored, "")
}

// decode reads the fields of one group.
func (v Values) decode(stored map[string]json.RawMessage, group string) error {
	for _, f := range v.form.Fields {
		raw, has := stored[f.Name]
		switch {
		case f.Unstored || f.Group != group:
			continue
		case !has && f.Absent != "":
			v.of[f.place()] = Value{Text: secret.Text(f.Absent)}
			continue
		case !has || string(raw) == "null":
			continue
		}
		var value Value
		var text string
		var err error
		switch f.Kind {
		case Flag:
			err = json.Unmarshal(raw, &value.Flag)
		case Seconds:
			err = json.Unmarshal(raw, &value.Seconds)
			value.Seconds = min(max(value.Seconds, f.Least), f.Most)
		default:
			err = json.Unmarshal(raw, &text)
			value.Text = secret.Text(text)
		}
		if err != nil {
			return ErrDamaged
		}
		v.of[f.place()] = value
	}
	return nil
}

// formOf is the form of a config with a document.
func (a *API) formOf(document string) *Form {
	form, err := a.Document.Read(document)
	if err != nil {
		form = Form{Problem: err}
	}
	declared := form.Fields
	form.Fields = slices.DeleteFunc(slices.Clone(a.Form.Fields), func(f Field) bool {
		return slices.ContainsFunc(declared, func(own Field) bool { return own.Name == f.Name })
	})
	form.Fields = append(form.Fields, declared...)
	return &form
}

// Encode writes the config as a storage entry. Fields of the entry before that this version does not know are kept: a later
// version stored them. The groups of a document are written anew, so that nothing of an old document's stays.
func (v Values) Encode(before []byte) ([]byte, error) {
	stored := map[string]json.RawMessage{}
	if before != nil {
		if err := json.Unmarshal(before, &stored); err != nil {
			return nil, ErrDamaged
		}
		if stored == nil { // the entry was JSON's null
			stored = map[string]json.RawMessage{}
		}
	}
	groups := map[string]map[string]json.RawMessage{"": stored}
	if v.api.Document != nil {
		groups[GroupSecrets], groups[GroupFields] = map[string]json.RawMessage{}, map[string]json.RawMessage{}
	}
	for _, f := range v.form.Fields {
		value := v.of[f.place()]
		if f.Unstored {
			continue
		}
		if f.OmitEmpty && value.Text == "" {
			delete(groups[f.Group], f.Name)
			continue
		}
		raw, err := json.Marshal(value.plain(f))
		if err != nil {
			return nil, fmt.Errorf("encoding a config: %w", err)
		}
		groups[f.Group][f.Name] = raw
	}
	delete(groups, "")
	for group, values := range groups {
		raw, err := json.Marshal(values)
		if err != nil {
			return nil, fmt.Errorf("encoding a config: %w", err)
		}
		stored[group] = raw
	}
	return json.Marshal(stored)
}
