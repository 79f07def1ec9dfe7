package scheme

import (
	"errors"
	"fmt"
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

// declaration is a field of the config or of a request.
type declaration struct {
	name    string
	pattern *pattern
	max     int // bytes
	// optional says that the value may be absent, which counts as "".
	optional bool
	// commas says of the request string that it may contain commas.
	commas bool
	// fallback is the default of a config's field, if it has one.
	fallback    string
	hasFallback bool
	// config says that the field is one of the config.
	config bool
}

// readDeclaration reads the options of a field.
func readDeclaration(p pair, section string) (declaration, error) {
	place := section + "." + p.key
	declared := declaration{name: p.key, max: defaultRequest}
	limit, known := maxRequest, []string{"pattern", "optional", "max"}
	if section == "fields" {
		declared.config, declared.max = true, defaultField
		limit, known = maxField, []string{"pattern", "optional", "default", "max"}
	} else if p.key == requestString {
		known = append(known, "commas")
	}
	options, err := texts(p.value, place, known...)
	if err != nil {
		return declaration{}, err
	}
	if text, given := options["commas"]; given {
		if text != "true" && text != "false" {
			return declaration{}, errorAt(place+".commas", "must be true or false")
		}
		declared.commas = text == "true"
	}
	text, given := options["pattern"]
	if !given {
		text = defaultPattern
	}
	if !given && declared.commas {
		text = commaPattern
	}
	var fault string
	if declared.pattern, fault = sharedPattern(text); fault != "" {
		return declaration{}, errorAt(place+".pattern", "%s", fault)
	}
	if text, given := options["max"]; given {
		if declared.max, err = atMost(text, place+".max", limit); err != nil {
			return declaration{}, err
		}
	}
	if text, given := options["optional"]; given {
		if text != "true" && text != "false" {
			return declaration{}, errorAt(place+".optional", "must be true or false")
		}
		declared.optional = text == "true"
	}
	if declared.fallback, declared.hasFallback = options["default"]; declared.hasFallback {
		if declared.optional {
			return declaration{}, errorAt(place, "has a default, so it cannot be optional")
		}
		if err := declared.check(declared.fallback); err != nil {
			return declaration{}, errorAt(place+".default", "%s", err)
		}
	}
	if declared.optional && declared.name == requestString {
		return declaration{}, errorAt(place, "cannot be optional")
	}
	return declared, nil
}

var (
	errPattern = errors.New("does not match the pattern that the scheme declares for it")
	errDefault = errors.New("is empty, or has a space, a comma or a character outside printable ASCII; the scheme can declare a pattern " +
		"that allows it")
)

// check returns what is wrong with a given value, worded to follow its name.
func (d declaration) check(value string) error {
	if len(value) > d.max {
		return fmt.Errorf("is longer than %d bytes", d.max)
	}
	if d.name == requestString && !d.config {
		check := requeststring.Check
		if d.commas {
			check = requeststring.CheckWithCommas
		}
		if err := check(value, nil); err != nil {
			return err
		}
	}
	if !d.pattern.matches(value) {
		if d.pattern.compiled.String() == defaultPattern {
			return errDefault
		}
		return errPattern
	}
	if d.config {
		if strings.Contains(value, "\x00") {
			return errors.New("contains a byte 0")
		}
		if fault := plainvalue.Fault(value); fault != "" {
			return errors.New(fault)
		}
	}
	return nil
}

// mayBeEmpty says whether the value can be "".
func (d declaration) mayBeEmpty() bool { return d.optional || d.pattern.matches("") }
