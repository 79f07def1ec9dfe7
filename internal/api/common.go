package api

import (
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/baseurl"
	"github.com/apisig/vault-plugin-apisig/internal/plainvalue"
)

// The fields that APIs have in common.
var (
	// MinTTL is the field of APIs with tokens.
	MinTTL = Field{
		Name: "min_ttl", Kind: Seconds, Default: 600, Most: MaxMinTTL,
		Help: "Minimum remaining lifetime for a cached token to be reused. If half of the token's life minus 90s is " +
			"smaller, that is used instead.",
	}

	// CACert is the field of APIs that the engine calls.
	CACert = Field{
		Name: "ca_cert", Kind: Certificates, Bound: true, Account: true,
		Rules: []Rule{certificates}, Clean: cleanCertificates,
		Help: "Certificates in PEM to trust beside the system's roots, for networks that intercept TLS.",
	}

	// SecretExpiresAt is the field of every API that says when the secret ends. Nobody but the operator knows.
	SecretExpiresAt = Field{
		Name: "secret_expires_at", OmitEmpty: true, Rules: []Rule{AtMost(MaxText), instant},
		Help: "When the vendor stops accepting the secret, RFC 3339, such as 2026-03-01T00:00:00Z. Reads of the config and " +
			"of its status warn from 14 days before. The engine itself goes on using the secret. Absent if it is empty.",
	}

	// SecretWrittenAt is the field of every API that says how old the secret is.
	SecretWrittenAt = Field{
		Name: "secret_written_at", Learned: true, OmitEmpty: true,
		Help: "When the secret was last part of a write, RFC 3339. Absent if an earlier version wrote it.",
	}
)

// MaxMinTTL is the largest min_ttl, in seconds: more would only cost logins, since tokens live for an hour.
const MaxMinTTL = 30 * 60

// MaxRequestTimeout is the largest request_timeout, in seconds: token.Lead allows for a login that takes so long.
const MaxRequestTimeout = 30

// BaseURL is a field for the address of an API, with rules beside those that every address has.
func BaseURL(help string, rules ...Rule) Field {
	return Field{
		Name: baseURLName, Bound: true, Account: true, Address: true, Clean: CleanAddress, Help: help,
		Rules: append([]Rule{AtMost(MaxText), address, plainvalue.Fault}, rules...),
	}
}

const baseURLName = "base_url"

// AddressRule says in words what an address may be, for the help of a BaseURL.
const AddressRule = baseurl.Rule

// Region is a field for one of some regions, which decides the host.
func Region(regions []string) Field {
	return Field{
		Name: "region", OneOf: regions, FromName: true, Bound: true, Account: true, Address: true,
		Help: "Region that the key belongs to. It sets the host. If it is left out, the config's name is the region where " +
			"it is one of these; else base_url is required.",
	}
}

// Public is a field for a value that the vendor gave, is required, and travels in a header or a request as it is.
func Public(name, help string) Field {
	return Field{
		Name: name, Required: true, Bound: true, Account: true, Help: help,
		Rules: []Rule{AtMost(MaxText), HeaderText, plainvalue.Fault},
	}
}

// SecretField is a field for a secret that the vendor gave as text.
func SecretField(name, help string) Field {
	return Field{Name: name, Kind: Secret, Required: true, Account: true, Help: help}
}

// RequestTimeout is the field of APIs that the engine calls.
func RequestTimeout(help string) Field {
	return Field{Name: "request_timeout", Kind: Seconds, Default: 10, Least: 1, Most: MaxRequestTimeout, Help: help}
}

// Verify is the parameter of APIs that the engine calls by which a write tries the credentials first.
func Verify(fallback bool, help string) Field {
	return Field{Name: verifyName, Kind: Flag, Default: fallback, Unstored: true, Help: help}
}

const verifyName = "verify"

// instant is an RFC 3339 timestamp, or nothing.
func instant(value string) string {
	if _, err := time.Parse(time.RFC3339, value); err != nil && value != "" {
		return "must be a time as in RFC 3339, such as 2026-03-01T00:00:00Z"
	}
	return ""
}

// RFC3339 is how answers write instants, except where a consumer wants more.
func RFC3339(at time.Time) string { return at.UTC().Format(time.RFC3339) }
