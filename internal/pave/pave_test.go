package pave

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

var signedAt = time.Date(2026, 1, 2, 3, 4, 5, 123_456_789, time.UTC)

// At least six independent public clients in four languages computed testdata/vectors.json, with the same results.
func TestTokenMatchesVectors(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	var vectors []struct {
		ID, Username, Timestamp, Token string
		APIKey                         string      `json:"api_key"`
		APISecret                      secret.Text `json:"api_secret"`
	}
	require.NoError(t, json.Unmarshal(content, &vectors))
	require.Len(t, vectors, 31)
	for _, v := range vectors {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, v.Token, Credentials{v.Username, v.APIKey, v.APISecret}.token(v.Timestamp))
		})
	}
}

// OpenSSL computed the tokens:
//
//	printf %s "$message" | openssl dgst -sha256 -hmac "$api_secret"
func TestTokenMatchesOpenSSL(t *testing.T) {
	t.Parallel()
	acme := Credentials{"acme", "key-1", "sec-1"}
	for name, test := range map[string]struct {
		credentials               Credentials
		timestamp, message, token string
	}{
		"rfc3339": {
			credentials: acme,
			timestamp:   "2026-01-02T03:04:05Z",
			message:     "acme:key-1@2026-01-02T03:04:05Z",
			token:       "a49e416f8bfe015388cc73df7836b57a2f9491fd2e866fed593eb679bcd79412",
		},
		"rfc3339-ms": {
			credentials: acme,
			timestamp:   "2026-01-02T03:04:05.123Z",
			message:     "acme:key-1@2026-01-02T03:04:05.123Z",
			token:       "89d52627838ec4514a9108d516877d91f33c4bc192b140d5ae70686d2182b0a5",
		},
		"http-date": {
			credentials: acme,
			timestamp:   "Fri, 02 Jan 2026 03:04:05 GMT",
			message:     "acme:key-1@Fri, 02 Jan 2026 03:04:05 GMT",
			token:       "98addf1857cf7d98d86d90519565341eed462e2376219c007ebd8afcd02a42ff",
		},
		"unix": {
			credentials: acme,
			timestamp:   "1767323045",
			message:     "acme:key-1@1767323045",
			token:       "e1486a70c4b6cc65eba5d750021064f452f104f62c39203d03c513d212e3ffc0",
		},
		"not ASCII": {
			credentials: Credentials{"Zoë", "09bc91b9-76e5-4256-8e4f-7a41c1408014", "with space + / = ü"},
			timestamp:   "1999-12-31T23:59:59Z",
			message:     "Zoë:09bc91b9-76e5-4256-8e4f-7a41c1408014@1999-12-31T23:59:59Z",
			token:       "e9e6f6d5888b2e05cf8fd9dc78ea690505ab271a4a0be812150ac0d0aa78363a",
		},
		"at signs and a quote": {
			credentials: Credentials{"a@b", "c@d", "it's"},
			timestamp:   "2038-01-19T03:14:08Z",
			message:     "a@b:c@d@2038-01-19T03:14:08Z",
			token:       "7364b8ac37c916086008b5c52feacd5ba1cb1c8191ecb8634d8ec13f542679a5",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.message, string(test.credentials.message(test.timestamp)))
			require.Equal(t, test.token, test.credentials.token(test.timestamp))
		})
	}
}

// PAVE's pages and clients write timestamps like these. `date -u -d @1767323045` prints the time.
func TestTimestampFormats(t *testing.T) {
	t.Parallel()
	elsewhere := signedAt.In(time.FixedZone("UTC+9", 9*60*60))
	for format, want := range map[TimestampFormat]string{
		RFC3339:      "2026-01-02T03:04:05Z",
		RFC3339Milli: "2026-01-02T03:04:05.123Z",
		HTTPDate:     "Fri, 02 Jan 2026 03:04:05 GMT",
		Unix:         "1767323045",
	} {
		for zone, at := range map[string]time.Time{"UTC": signedAt, "UTC+9": elsewhere} {
			t.Run(string(format)+" in "+zone, func(t *testing.T) {
				t.Parallel()
				headers, err := Credentials{"acme", "key-1", "sec-1"}.Sign(at, format)
				require.NoError(t, err)
				require.Equal(t, want, headers.APITimestamp)
				require.Equal(t, "key-1", headers.APIKey)
			})
		}
	}
	require.Len(t, TimestampFormats(), 4)
	require.Equal(t, RFC3339, TimestampFormats()[0])
}

func TestUnknownTimestampFormatIsRejected(t *testing.T) {
	t.Parallel()
	for name, format := range map[string]TimestampFormat{
		"none":        "",
		"in capitals": "RFC3339",
		"another":     "rfc3339-ns",
		"auto":        "auto",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Credentials{"acme", "key-1", "canary"}.Sign(signedAt, format)
			require.ErrorContains(t, err, `"rfc3339" "rfc3339-ms" "http-date" "unix"`)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

// A token is 64 lower-case hex digits, and the same as OpenSSL's if that is installed.
func FuzzToken(f *testing.F) {
	openssl, err := exec.LookPath("openssl")
	compare := err == nil
	f.Add("acme", "key-1", "sec-1")
	f.Add("Zoë", "k+/=%20", " p@ss wörd ")
	f.Fuzz(func(t *testing.T, username, apiKey, apiSecret string) {
		credentials := Credentials{username, apiKey, secret.Text(apiSecret)}
		token := credentials.token("1767323045")
		require.Regexp(t, "^[0-9a-f]{64}$", token)
		if compare && apiSecret != "" && len(apiSecret) < 1000 && !strings.Contains(apiSecret, "\x00") {
			digest := exec.Command(openssl, "dgst", "-sha256", "-hmac", apiSecret, "-r")
			digest.Stdin = bytes.NewReader(credentials.message("1767323045"))
			printed, err := digest.Output()
			require.NoError(t, err)
			require.Equal(t, token, string(printed[:64]))
		}
	})
}

func ExampleCredentials_Sign() {
	credentials := Credentials{Username: "acme", APIKey: "key-1", APISecret: "sec-1"}
	headers, err := credentials.Sign(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), RFC3339)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %s\n", HeaderAPIKey, headers.APIKey)
	fmt.Printf("%s: %s\n", HeaderAPIToken, headers.APIToken)
	fmt.Printf("%s: %s\n", HeaderAPITimestamp, headers.APITimestamp)
	// Output:
	// API-Key: key-1
	// API-Token: a49e416f8bfe015388cc73df7836b57a2f9491fd2e866fed593eb679bcd79412
	// API-Timestamp: 2026-01-02T03:04:05Z
}
