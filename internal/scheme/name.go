package scheme

import (
	"go/token"
	"regexp"
	"slices"
	"strings"
)

const maxName = 64

const nonceName = "nonce"

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// The names that a scheme cannot declare, beside those of functions and Go's keywords.
var (
	// predeclared names have values.
	predeclared = []string{"now", "uuid", nonceName, "base_url"}
	// literals would be read as values.
	literals = []string{"true", "false", "null", "nil"}
	// parameters are those of Vault's requests and of the engine's paths.
	parameters = []string{
		"name", "scheme", "vendor", "verify", "request_timeout", "ca_cert", "list", "help", "after", "limit",
		"read_snapshot_id", "unauthorized", "secret_written_at",
	}
	// newerParameters came after earlier versions had stored documents. In a stored one that declares such a name, the
	// name means what the document says.
	newerParameters = []string{"secret_expires_at", "scheme_name", "scheme_upgrade", "requests", "min_ttl"}
	// answers are what a read of a config, or a signature, contains beside the fields.
	answers = []string{
		"headers", "header_lines", "query", "url", "expires_at", "ttl", "rotation_period", "last_vault_rotation",
		"allow_static", "allow_extension", "secrets", "fields", "request",
	}
	// newerAnswers are answers that are as newerParameters are.
	newerAnswers = []string{"values", "allow_shared_key"}
)

// parameterFault is what is wrong with the name of a parameter.
var parameterFault = "this name is a parameter of the engine or of Vault; these are " +
	strings.Join(slices.Concat(parameters, newerParameters), ", ")

// answerFault is what is wrong with the name of an answer.
var answerFault = "this name is part of the engine's answers; these are " +
	strings.Join(slices.Concat(answers, newerAnswers), ", ")

// nameFault says what is wrong with a name that a scheme declares; "" if nothing is.
func nameFault(name, section string) string {
	switch {
	case len(name) > maxName || !namePattern.MatchString(name):
		return "a name is lower-case letters, digits and _, begins with a letter, and has at most 64 bytes"
	case slices.Contains(predeclared, name):
		return "this name has a value already: " + strings.Join(predeclared, ", ") + " are predeclared"
	case slices.Contains(literals, name), token.IsKeyword(name):
		return "this name is a word of the language"
	case slices.Contains(parameters, name):
		return parameterFault
	case section == "fields" && slices.Contains(answers, name):
		return answerFault
	}
	return ""
}

var (
	headerPattern = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$") // RFC 9110, section 5.6.2
	queryPattern  = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)
)

// forbiddenHeaders are those that belong to the connection or to HTTP itself, in lower case.
var forbiddenHeaders = []string{
	"host", "content-length", "transfer-encoding", "te", "trailer", "connection", "keep-alive", "upgrade", "expect",
}

// headerFault says what is wrong with the name of a header; "" if nothing is.
func headerFault(name string) string {
	lower := strings.ToLower(name)
	switch {
	case len(name) > maxName || !headerPattern.MatchString(name):
		return "the name of a header is letters, digits and !#$%&'*+.^_`|~- and has at most 64 bytes"
	case slices.Contains(forbiddenHeaders, lower),
		strings.HasPrefix(lower, "proxy-"), strings.HasPrefix(lower, "x-vault-"):
		return "this header belongs to the connection or to Vault; a scheme cannot set " +
			strings.Join(forbiddenHeaders, ", ") + ", proxy-* and x-vault-*"
	}
	return ""
}

// valueFault says what is wrong with the name of a value; "" if nothing is.
func valueFault(name string) string {
	if len(name) > maxName || !namePattern.MatchString(name) {
		return "the name of a value is lower-case letters, digits and _, begins with a letter, and has at most 64 bytes"
	}
	return ""
}

// queryFault says what is wrong with the name of a query parameter; "" if nothing is.
func queryFault(name string) string {
	if len(name) > maxName || !queryPattern.MatchString(name) {
		return "the name of a query parameter is letters, digits and ._~- and has at most 64 bytes"
	}
	return ""
}
