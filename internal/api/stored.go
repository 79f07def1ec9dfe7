package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

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

// Decode reads a config from a storage entry, with the default of each field that the entry lacks. known is the config
// as it was before: if its document is the same, that need not be read again, which takes time. An error quotes
// nothing.
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
		if value, has := common.of[at]; has {
			v.of[at] = value
		}
	}
	if err := v.decodeLogin(stored); err != nil {
		return Values{}, err
	}
	for _, group := range []string{GroupSecrets, GroupFields} {
		if stored[group] == nil {
			continue
		}
		var values map[string]json.RawMessage
		if err := json.Unmarshal(stored[group], &values); err != nil {
			return Values{}, ErrDamaged
		}
		if err := v.decode(form.Fields, values, group); err != nil {
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
	return v, stored, v.decode(v.form.Fields, stored, "")
}

// decodeLogin reads those fields of a login that the config has.
func (v Values) decodeLogin(stored map[string]json.RawMessage) error {
	fields := slices.DeleteFunc(slices.Clone(v.api.Document.Login), func(f Field) bool { return !v.Has(f) })
	return v.decode(fields, stored, "")
}

// decode reads those of some fields that are of one group.
func (v Values) decode(fields []Field, stored map[string]json.RawMessage, group string) error {
	for _, f := range fields {
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

// Encode writes the config as a storage entry. Fields of the entry before that this version does not know are kept: a
// later version stored them. What is a document's is written anew, so that nothing of an old document's stays.
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
	if v.api.Document != nil {
		for _, f := range v.api.Document.Login {
			if !v.Has(f) {
				delete(stored, f.Name)
			}
		}
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
