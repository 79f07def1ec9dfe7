package scheme

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/apisig/vault-plugin-apisig/internal/plainvalue"
	"github.com/apisig/vault-plugin-apisig/internal/requeststring"
)

// requestString is the request field that keeps the rules of internal/requeststring, and that url is made of.
const requestString = "request_string"

// Sizes of values in bytes: the default of max, and its limit.
const (
	defaultField, maxField     = 512, 4 << 10
	defaultRequest, maxRequest = 2 << 10, 64 << 10
)

// field is a public field of the config, or one of a request.
type field struct {
	name    string
	pattern *pattern
	max     int // bytes
	// optional says that the value may be absent, which counts as "".
	optional bool
	// address says of a config's field that it is an address of an API.
	address bool
	// commas says of the request string that it may contain commas.
	commas bool
	// fallback is the default of a config's field, if it has one.
	fallback    string
	hasFallback bool
	// config says that the field is one of the config.
	config bool
}

// readField reads the options of a field.
func readField(p pair, section string) field {
	place := section + "." + p.key
	f := field{name: p.key, max: defaultRequest}
	limit, known := maxRequest, requestShape
	if section == "fields" {
		f.config, f.max = true, defaultField
		limit, known = maxField, fieldShape
	} else if p.key == requestString {
		known = requestStringShape
	}
	options := texts(p.value, place, known.keyNames()...)
	if text, given := options["commas"]; given {
		f.commas = boolean(text, place+".commas")
	}
	if text, given := options["address"]; given {
		f.address = boolean(text, place+".address")
	}
	if f.address {
		f.max = maxBase
		for _, option := range []string{"pattern", "max", "optional"} {
			if _, given := options[option]; given {
				panic(refuseAt(place+"."+option, "is not for an address, which has its own rules"))
			}
		}
	}
	text, given := options["pattern"]
	switch {
	case given:
	case f.commas:
		text = commaPattern
	default:
		text = defaultPattern
	}
	var fault string
	if f.pattern, fault = sharedPattern(text); fault != "" {
		panic(refuseAt(place+".pattern", "%s", fault))
	}
	if text, given := options["max"]; given {
		var err error
		if f.max, err = strconv.Atoi(text); err != nil || f.max < 1 || f.max > limit {
			panic(refuseAt(place+".max", "must be a whole number from 1 to %d", limit))
		}
	}
	if text, given := options["optional"]; given {
		f.optional = boolean(text, place+".optional")
	}
	if f.fallback, f.hasFallback = options["default"]; f.hasFallback {
		if f.optional {
			panic(refuseAt(place, "has a default, so it cannot be optional"))
		}
		if err := f.check(f.fallback); err != nil {
			panic(refuseAt(place+".default", "%s", err))
		}
		if f.address {
			f.fallback = cleanAddress(f.fallback)
		}
	}
	if f.optional && f.name == requestString {
		panic(refuseAt(place, "cannot be optional"))
	}
	return f
}

var (
	errPattern = errors.New("does not match the pattern that the scheme declares for it")
	errDefault = errors.New("is empty, or has a space, a comma or a character outside printable ASCII; the scheme can " +
		"declare a pattern that allows it")
)

// check returns what is wrong with a given value, worded to follow its name.
func (f field) check(value string) error {
	if f.address {
		return checkBaseURL(value)
	}
	if len(value) > f.max {
		return fmt.Errorf("is longer than %d bytes", f.max)
	}
	if f.name == requestString && !f.config {
		check := requeststring.Check
		if f.commas {
			check = requeststring.CheckWithCommas
		}
		if err := check(value, nil); err != nil {
			return err
		}
	}
	if !f.pattern.matches(value) {
		if f.pattern.compiled.String() == defaultPattern {
			return errDefault
		}
		return errPattern
	}
	if f.config {
		if strings.Contains(value, "\x00") {
			return errors.New("contains a byte 0")
		}
		return checkPlain(value)
	}
	return nil
}

// checkPlain is plainvalue.Fault as an error.
func checkPlain(value string) error {
	if fault := plainvalue.Fault(value); fault != "" {
		return errors.New(fault)
	}
	return nil
}

// value returns the field's value among those that were given, or what an absent one counts as.
func (f field) value(given map[string]string) (string, error) {
	value, is := given[f.name]
	switch {
	case !is && !f.optional && !f.hasFallback:
		return "", fmt.Errorf("%s is required", f.name)
	case !is:
		return f.fallback, nil
	}
	if err := f.check(value); err != nil {
		return "", fmt.Errorf("%s %w", f.name, err)
	}
	return value, nil
}

// least is 0 if the value can be empty, else 1.
func (f field) least() int {
	if f.optional || f.pattern.matches("") {
		return 0
	}
	return 1
}
