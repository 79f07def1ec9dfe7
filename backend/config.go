package backend

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// config is the values of one config by the names of its vendor's stored fields: a string, an int for seconds, a bool, a
// secret.Text for a secret. It has them all, and is not changed once it is made.
type config map[string]any

func (c config) text(name string) string {
	value, _ := c[name].(string)
	return value
}

func (c config) secret(name string) secret.Text {
	value, _ := c[name].(secret.Text)
	return value
}

func (c config) seconds(name string) int {
	value, _ := c[name].(int)
	return value
}

// newConfig is a config of nothing but defaults.
func newConfig(fields []field) config {
	c := config{}
	for _, f := range fields {
		switch {
		case f.unstored:
		case f.kind == secretField:
			c[f.name] = secret.Text("")
		default:
			c[f.name] = f.zero()
		}
	}
	return c
}

// decodeConfig reads a config from a storage entry, with the default of each field that the entry lacks. An entry that
// cannot be one is an error that quotes nothing.
func decodeConfig(fields []field, entry []byte) (config, error) {
	var stored map[string]json.RawMessage
	if err := json.Unmarshal(entry, &stored); err != nil {
		return nil, errDamaged
	}
	c := newConfig(fields)
	for _, f := range fields {
		raw, has := stored[f.name]
		if !has && f.absent != nil {
			c[f.name] = f.absent
		}
		if !has || f.unstored || string(raw) == "null" {
			continue
		}
		var number int
		var text string
		var flag bool
		var err error
		switch f.kind {
		case boolField:
			err = json.Unmarshal(raw, &flag)
			c[f.name] = flag
		case secondsField:
			err = json.Unmarshal(raw, &number)
			c[f.name] = min(max(number, f.least), f.most)
		case secretField:
			err = json.Unmarshal(raw, &text)
			c[f.name] = secret.Text(text)
		default:
			err = json.Unmarshal(raw, &text)
			c[f.name] = text
		}
		if err != nil {
			return nil, errDamaged
		}
	}
	return c, nil
}

var errDamaged = fmt.Errorf("the storage entry is damaged; delete the config and write it again")

// encode writes the config as a storage entry. Fields of the entry before that this version does not know are kept: a later
// version stored them. The groups of a config that declares its own fields are written anew, so that nothing of an old declaration's
// stays.
func (c config) encode(fields []field, before []byte) ([]byte, error) {
	stored := map[string]json.RawMessage{}
	if before != nil {
		if err := json.Unmarshal(before, &stored); err != nil {
			return nil, errDamaged
		}
		if stored == nil { // the entry was JSON's null
			stored = map[string]json.RawMessage{}
		}
	}
	groups := map[string]map[string]json.RawMessage{}
	if c.declaration() != nil {
		groups[groupSecrets], groups[groupFields] = map[string]json.RawMessage{}, map[string]json.RawMessage{}
	}
	for _, f := range fields {
		if f.unstored {
			continue
		}
		if f.omitEmpty && c[f.name] == "" {
			if f.group == "" {
				delete(stored, f.name)
			}
			continue
		}
		value := c[f.name]
		if f.kind == secretField {
			value = c.secret(f.name).Reveal()
		}
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("encoding a config: %w", err)
		}
		if f.group != "" {
			groups[f.group][f.name] = raw
			continue
		}
		stored[f.name] = raw
	}
	for group, values := range groups {
		raw, err := json.Marshal(values)
		if err != nil {
			return nil, fmt.Errorf("encoding a config: %w", err)
		}
		stored[group] = raw
	}
	return json.Marshal(stored)
}

// readable is a read's answer: every stored field except the secrets.
func (c config) readable(fields []field) map[string]any {
	answer := map[string]any{}
	for _, f := range fields {
		if f.readable() && (!f.omitEmpty || c[f.name] != "") {
			answer[f.name] = c[f.name]
		}
	}
	return answer
}

// with returns the config with what a write names, cleaned. What it names must keep the rules, and what it changes must not
// take a stored secret elsewhere.
func (c config) with(fields []field, write parameters) (config, error) {
	next := config{}
	if found := c.declaration(); found != nil {
		next[declarationKey] = found
	}
	for _, f := range fields {
		if f.unstored {
			continue
		}
		next[f.name] = c[f.name]
		if f.learned || !write.given(f.name) {
			continue
		}
		value := write.value(f.name)
		if text, is := value.(string); is {
			// A patch's null takes a value away, which an optional field's rules need not allow.
			if err := f.check(text); err != nil && (!write.null(f.name) || !f.omitEmpty) {
				return nil, err
			}
			if f.clean != nil {
				text = f.clean(text)
			}
			value = text
			if f.kind == secretField {
				value = secret.Text(text)
			}
		}
		if number, is := value.(int); is && (number < f.least || number > f.most) {
			return nil, invalidf("%s must be from %ds to %ds", f.name, f.least, f.most)
		}
		next[f.name] = value
	}
	return next, nil
}

// check holds a value that a write names against the field's rules.
func (f field) check(value string) error {
	if f.required && value == "" {
		return invalidf("%s is required", f.name)
	}
	if !f.allows(value) {
		return f.notAllowed()
	}
	rules := f.rules
	if f.kind == secretField && rules == nil {
		rules = []rule{atMost(maxValue), plainText, secret.Fault}
	}
	for _, rule := range rules {
		if fault := rule(value); fault != "" {
			return invalidf("%s %s", f.name, fault)
		}
	}
	return nil
}

// blanks warns of blanks at the ends of the credentials that a write names. They are kept, because a secret may have
// them, and are usually a mistake.
func (c config) blanks(fields []field, write parameters) []string {
	var warnings []string
	for _, f := range fields {
		if (f.kind != secretField && !f.credential) || !write.given(f.name) {
			continue
		}
		text := c.text(f.name) + c.secret(f.name).Reveal() // it is one of the two
		before, after := len(text)-len(strings.TrimLeft(text, " ")), len(text)-len(strings.TrimRight(text, " "))
		if before+after > 0 {
			warnings = append(warnings, fmt.Sprintf("%s has blanks at its ends, %d before and %d after the rest; "+
				"they are part of it, so write it again if it should have none", f.name, before, after))
		}
	}
	return warnings
}

// checkBound refuses to use a stored secret in a way that it was not given for: anyone who can change a config could
// otherwise send it to a host of their own.
func (c config) checkBound(fields []field, next config, write parameters) error {
	secrets := secretNames(fields)
	if !slices.ContainsFunc(secrets, func(name string) bool { return !write.given(name) }) {
		return nil
	}
	for _, f := range fields {
		changes := c[f.name] != next[f.name]
		if f.kind == certificatesField {
			changes = addsCertificate(c.text(f.name), next.text(f.name))
		}
		if f.bound && changes {
			return invalidf("changing %s needs %s in the same write: the stored one was given for what %s was before",
				f.name, strings.Join(secrets, " and "), f.name)
		}
	}
	return nil
}

// checkUsable says what keeps a config from being used: a required field that is missing, or a value that this version does
// not know.
func (c config) checkUsable(fields []field) error {
	var missing []string
	for _, f := range fields {
		if f.required && (c[f.name] == "" || c[f.name] == secret.Text("")) {
			missing = append(missing, f.name)
		}
	}
	switch len(missing) {
	case 0:
	case 1:
		return invalidf("%s is required", missing[0])
	default:
		return invalidf("%s are required", strings.Join(missing, ", "))
	}
	for _, f := range fields {
		if f.kind == textField && !f.allows(c.text(f.name)) {
			return f.notAllowed()
		}
	}
	return nil
}

// allows says whether a text is one of those that the field may have. An optional one may be empty.
func (f field) allows(value string) bool {
	return f.oneOf == nil || slices.Contains(f.oneOf, value) || (value == "" && f.fallback == nil)
}

func (f field) notAllowed() error {
	return invalidf("%s must be one of %s", f.name, strings.Join(f.oneOf, ", "))
}

// sameAccount says whether a token that was got with one config can be handed out for the other.
func (c config) sameAccount(fields []field, other config) bool {
	return !slices.ContainsFunc(fields, func(f field) bool { return f.account && c[f.name] != other[f.name] })
}

// secretNames are the names of the secrets among some fields.
func secretNames(fields []field) []string {
	var names []string
	for _, f := range fields {
		if f.kind == secretField {
			names = append(names, f.name)
		}
	}
	return names
}
