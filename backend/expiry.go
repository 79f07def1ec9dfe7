package backend

import (
	"slices"
	"time"
)

// expiresField is the field of secretExpiresAt.
const expiresField = "secret_expires_at"

// secretExpiresAt is the field of every vendor that says when the secret ends. Nobody but the operator knows.
func secretExpiresAt() field {
	return field{
		name: expiresField, omitEmpty: true, rules: []rule{atMost(maxText), instant},
		help: "When the vendor stops accepting the secret, RFC 3339, such as 2026-03-01T00:00:00Z. Reads of the config and of its status warn " +
			"from 14 days before. The engine itself goes on using the secret. Absent if it is empty.",
	}
}

// instant is an RFC 3339 timestamp, or nothing.
func instant(value string) string {
	if _, err := time.Parse(time.RFC3339, value); err != nil && value != "" {
		return "must be a time as in RFC 3339, such as 2026-03-01T00:00:00Z"
	}
	return ""
}

// secretDates are what is known of a config's secret; zero for what is not.
type secretDates struct{ written, expires time.Time }

func (c config) secretDates() secretDates {
	dates := secretDates{written: instantOf(c.text(writtenField))}
	if !c.declaresItself(expiresField) {
		dates.expires = instantOf(c.text(expiresField))
	}
	return dates
}

// instantOf is the time that a text says, zero for none.
func instantOf(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

// declaresItself says whether a field of a name is the config's own. A scheme of an earlier version can have one named as a field that
// every vendor got later.
func (c config) declaresItself(name string) bool {
	found := c.declaration()
	return found != nil && slices.ContainsFunc(found.fields, func(f field) bool { return f.name == name })
}

// expiryNotice is how long before a secret ends operators are told.
const expiryNotice = 14 * 24 * time.Hour

// expiryWarning says that a secret ends soon, or has ended; "" if neither.
func expiryWarning(expires, now time.Time) string {
	switch left := expires.Sub(now); {
	case expires.IsZero(), left > expiryNotice:
		return ""
	case left > 0:
		return "the secret expires at " + rfc3339(expires) + "; write a new one before, together with its " + expiresField
	default:
		return "the secret expired at " + rfc3339(expires) + "; write a new one, together with its " + expiresField
	}
}

// outlivedWarning says that a write of new secrets leaves the date of the old one as it is; "" if it does not.
func outlivedWarning(next config, write parameters) string {
	expires := next.secretDates().expires
	if expires.IsZero() || write.given(expiresField) {
		return ""
	}
	return expiresField + " is still " + rfc3339(expires) + "; if the new secret expires at another time, or never, write that too"
}
