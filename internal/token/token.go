package token

import (
	"regexp"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// Token is a vendor's token, and what is known of it.
type Token struct {
	// Value is the token as it is sent to the vendor; "" where the login gave Values.
	Value secret.Text
	// Values are what the login gave by names, and are used together; nil where it gave a Value.
	Values map[string]secret.Text
	// AskedAt is when the request for it was sent, by this machine's clock.
	AskedAt time.Time
	// ExpiresAt is when the vendor stops accepting it.
	ExpiresAt time.Time
	// Format is what the login learned about how to write requests, such as a date format, in the vendor's own words; ""
	// for nothing. The next login can begin with it.
	Format string
}

// Absent reports whether there is no token.
func (t Token) Absent() bool { return t.Value == "" && t.Values == nil }

// Life is the token's lifetime when it was new.
func (t Token) Life() time.Duration { return t.ExpiresAt.Sub(t.AskedAt) }

// Left is the token's remaining lifetime, 0 or below when it has expired.
//
// Two clocks can mislead. The wall clock can be set back, and the monotonic clock stands still while a machine is
// suspended. The smaller remainder counts, and never more than the whole life.
func (t Token) Left(at time.Time) time.Duration {
	return min(t.ExpiresAt.Sub(at), t.ExpiresAt.Round(0).Sub(at.Round(0)), t.Life())
}

// TTL is how long a reader may be told to use the token: its remaining lifetime less a margin, in whole seconds. The
// margin is a minute, or a tenth of the remainder where less than ten minutes remain. 0 or below means that the token
// must not be handed out any more.
func (t Token) TTL(at time.Time) time.Duration {
	left := t.Left(at)
	margin := time.Minute
	if left < 10*time.Minute {
		margin = left / 10
	}
	return (left - margin).Truncate(time.Second)
}

const (
	// MaxText is the longest token that is accepted, in bytes. The vendors' have about 1,000, and servers limit the size
	// of headers.
	MaxText = 16 << 10
	// MinLife is the shortest life with which a token is of any use.
	MinLife = 3 * time.Second
)

// bearer is what a token may consist of (RFC 6750, section 2.1).
var bearer = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]+$`)

// IsText reports whether a text can be a token. A web page or a JSON document cannot.
func IsText(text string) bool { return bearer.MatchString(text) }

// Limits of sharing.
const (
	// Lead is how long before a token stops being shared its renewal begins: a minute between two calls of RenewAhead, and
	// 30 seconds for the longest login.
	Lead = 90 * time.Second
	// longLife is the life from which tokens are renewed ahead. Half of it less Lead still leaves Lead.
	longLife = 6 * time.Minute
)

// keep is the remaining lifetime below which a token is no longer shared. It is never more than half of the token's
// life, so that two logins for tokens of one life are at least half of that life apart.
func (t Token) keep(minTTL time.Duration) time.Duration {
	half := t.Life() / 2
	if t.Life() >= longLife {
		half -= Lead
	}
	return min(minTTL, half)
}
