// Package pave computes the headers that authenticate a call to the API of PAVE (openapi.paveapi.com).
//
// A call has three headers: API-Key, API-Timestamp and API-Token. API-Token is an HMAC-SHA256 in lower-case hex. Its
// key is the API secret, and its message is
//
//	<username>:<api_key>@<timestamp>
//
// The message contains neither method, path nor body, so one token is valid for every endpoint of the account until it
// expires, after five minutes (PAVE's API pages, "Authentication").
//
// The package has no clock: the signing time is an argument.
package pave

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// The names of the three headers, as spelled on PAVE's pages.
const (
	HeaderAPIKey       = "API-Key"
	HeaderAPIToken     = "API-Token"
	HeaderAPITimestamp = "API-Timestamp"
)

// DefaultBaseURL is the only address of the API. Live and test keys share it (PAVE's API pages).
const DefaultBaseURL = "https://openapi.paveapi.com"

// TokenLife is how long PAVE accepts a token after its timestamp (PAVE's API pages: "will expire within 5 minutes").
const TokenLife = 5 * time.Minute

// TimestampFormat is how API-Timestamp is written. PAVE's pages and working clients disagree, so the operator chooses.
// The zero value is not a valid format.
type TimestampFormat string

// The four formats. All are in UTC.
const (
	RFC3339      TimestampFormat = "rfc3339"    // 2026-01-02T03:04:05Z, the prose and curl example of PAVE's pages
	RFC3339Milli TimestampFormat = "rfc3339-ms" // 2026-01-02T03:04:05.123Z, the code of the integrations page
	HTTPDate     TimestampFormat = "http-date"  // Fri, 02 Jan 2026 03:04:05 GMT, two public Node clients
	Unix         TimestampFormat = "unix"       // 1767323045, the code of the hotspots page
)

// TimestampFormats lists the formats, the default first.
func TimestampFormats() []TimestampFormat {
	return []TimestampFormat{RFC3339, RFC3339Milli, HTTPDate, Unix}
}

// Timestamp writes a time in the format. An unknown format is an error.
func (f TimestampFormat) Timestamp(at time.Time) (string, error) {
	switch f {
	case RFC3339:
		return at.UTC().Format("2006-01-02T15:04:05Z"), nil
	case RFC3339Milli:
		return at.UTC().Format("2006-01-02T15:04:05.000Z"), nil
	case HTTPDate:
		return at.UTC().Format(http.TimeFormat), nil
	case Unix:
		return strconv.FormatInt(at.Unix(), 10), nil
	default:
		return "", fmt.Errorf("timestamp_format %q is not one of %q", string(f), TimestampFormats())
	}
}

// Credentials are those that PAVE gave for one account.
type Credentials struct {
	// Username is the primary account name, not a user of the dashboard.
	Username string
	// APIKey is public, because it is sent in the header API-Key. PAVE's are UUIDs.
	APIKey string
	// APISecret is the key of the HMAC.
	APISecret secret.Text
}

// Headers are the values of the three headers of one call.
type Headers struct {
	APIKey string
	// APIToken is 64 lower-case hex digits.
	APIToken string
	// APITimestamp is the text that was signed.
	APITimestamp string
}

// Sign returns the headers for a call made at the given time. It fails only for an unknown format.
func (c Credentials) Sign(at time.Time, format TimestampFormat) (Headers, error) {
	timestamp, err := format.Timestamp(at)
	if err != nil {
		return Headers{}, err
	}
	return Headers{APIKey: c.APIKey, APIToken: c.token(timestamp), APITimestamp: timestamp}, nil
}

func (c Credentials) token(timestamp string) string {
	mac := hmac.New(sha256.New, []byte(c.APISecret.Reveal()))
	message := c.message(timestamp)
	mac.Write(message)
	return hex.EncodeToString(mac.Sum(message[:0]))
}

func (c Credentials) message(timestamp string) []byte {
	message := make([]byte, 0, len(c.Username)+len(c.APIKey)+len(timestamp)+2)
	message = append(message, c.Username...)
	message = append(message, ':')
	message = append(message, c.APIKey...)
	message = append(message, '@')
	return append(message, timestamp...)
}
