package avanan

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asked is the time of the request: 1767323045 in Unix seconds (`date -u -d 2026-01-02T03:04:05 +%s`), and half a second.
var asked = time.Date(2026, 1, 2, 3, 4, 5, 500_000_000, time.UTC)

// unsignedJWT makes a JWT by hand.
func unsignedJWT(header, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode([]byte(claims)) + ".c2ln"
}

const headerRS256 = `{"alg":"RS256","typ":"JWT"}`

func TestParseJWTLife(t *testing.T) {
	t.Parallel()
	inAnHour := asked.Add(time.Hour)
	for name, test := range map[string]struct {
		body string
		want time.Time
	}{
		"exp":                        {unsignedJWT(headerRS256, `{"exp":1767326645}`), time.Unix(1767326645, 0)},
		"exp with decimals":          {unsignedJWT(headerRS256, `{"exp":1767326645.9}`), time.Unix(1767326645, 0)},
		"exp in three seconds":       {unsignedJWT(headerRS256, `{"exp":1767323049}`), time.Unix(1767323049, 0)},
		"exp a day away":             {unsignedJWT(headerRS256, `{"exp":1767409444}`), time.Unix(1767409444, 0)},
		"exp in milliseconds":        {unsignedJWT(headerRS256, `{"exp":1767326645000}`), inAnHour},
		"exp beyond all time":        {unsignedJWT(headerRS256, `{"exp":1e300}`), inAnHour},
		"exp beyond floating point":  {unsignedJWT(headerRS256, `{"exp":1e999}`), inAnHour},
		"exp more than a day away":   {unsignedJWT(headerRS256, `{"exp":1767409446}`), inAnHour},
		"exp as a string":            {unsignedJWT(headerRS256, `{"exp":"1767326645"}`), inAnHour},
		"exp null":                   {unsignedJWT(headerRS256, `{"exp":null}`), inAnHour},
		"exp missing":                {unsignedJWT(headerRS256, `{"scope":"mt-prod-3:acme"}`), inAnHour},
		"claims null":                {unsignedJWT(headerRS256, `null`), inAnHour},
		"claims no object":           {unsignedJWT(headerRS256, `[1]`), inAnHour},
		"claims no JSON":             {unsignedJWT(headerRS256, `{`), inAnHour},
		"unknown algorithm":          {unsignedJWT(`{"alg":"XX999"}`, `{"exp":1767326645}`), time.Unix(1767326645, 0)},
		"no JWT":                     {"jwt-token-value", inAnHour},
		"three segments of anything": {"a.b.c", inAnHour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, life, fault := parseJWT(test.body, asked)
			require.Empty(t, fault)
			require.Equal(t, test.body, text)
			require.True(t, test.want.Equal(asked.Add(life)), "%s", life)
		})
	}
}

// The vendor's clock may differ from this one: with an iat claim, the JWT lives at most from iat to exp.
func TestParseJWTLifeWithASlowClock(t *testing.T) {
	t.Parallel()
	for claims, want := range map[string]time.Duration{
		`{"iat":1767326645,"exp":1767330245}`:    time.Hour, // the vendor's clock is an hour ahead
		`{"iat":1767323045,"exp":1767326645}`:    time.Hour - 500*time.Millisecond,
		`{"iat":1767322985,"exp":1767326645}`:    time.Hour - 500*time.Millisecond,    // it was a minute old
		`{"iat":1767312245,"exp":1767398645}`:    21*time.Hour - 500*time.Millisecond, // for 24 h, three of which are over
		`{"iat":1767326645,"exp":1767409445}`:    23 * time.Hour,                      // for 23 h, by a clock that is an hour ahead
		`{"iat":1767323045,"exp":1767409445}`:    24*time.Hour - 500*time.Millisecond, // exactly 24 h
		`{"iat":1767323046,"exp":1767409446}`:    time.Hour,                           // more than a day away: no exp can be meant
		`{"iat":1767326645000,"exp":1767326645}`: time.Hour - 500*time.Millisecond,    // in milliseconds: not meant
		`{"iat":1767326646,"exp":1767326645}`:    time.Hour - 500*time.Millisecond,    // after exp: not meant
		`{"iat":-1e300,"exp":1767326645}`:        time.Hour - 500*time.Millisecond,
		`{"iat":"x","exp":1767326645}`:           time.Hour - 500*time.Millisecond,
		`{"iat":1767326645}`:                     time.Hour,
	} {
		_, life, fault := parseJWT(unsignedJWT(headerRS256, claims), asked)
		require.Empty(t, fault)
		require.Equal(t, want, life, claims)
	}
}

func TestParseJWTUnwraps(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"a.b.c", "a.b.c\n", "\r\n a.b.c\t", `"a.b.c"`, "\"a.b.c\"\r\n", `" a.b.c "`} {
		text, life, fault := parseJWT(body, asked)
		require.Empty(t, fault, "%q", body)
		require.Equal(t, "a.b.c", text)
		require.Equal(t, time.Hour, life)
	}
}

func TestParseJWTRejects(t *testing.T) {
	t.Parallel()
	for want, bodies := range map[string][]string{
		"the body is empty": {"", " \r\n", `""`, `" "`},
		"the body is not a token": {
			"<html>Welcome</html>", `{"token":"a.b.c"}`, `["a.b.c"]`, `{"responseEnvelope":{},"responseData":[]}`, "a.b c", "a.b.c\x00",
			"a.b.c\r\nx-av-token: d", `"a.b.c`, `"`, "ä.b.c", "a.b.\xff",
		},
		"the token has expired, or is about to (is this server's clock right?)": {
			unsignedJWT(headerRS256, `{"exp":1767323046}`), unsignedJWT(headerRS256, `{"exp":1767323048}`), // 2.5 s away
			unsignedJWT(headerRS256, `{"exp":1767323045}`), unsignedJWT(headerRS256, `{"exp":0}`),
			unsignedJWT(headerRS256, `{"exp":-1}`), unsignedJWT(headerRS256, `{"exp":-1e300}`),
		},
	} {
		for _, body := range bodies {
			text, life, fault := parseJWT(body, asked)
			require.Equal(t, want, fault, "%q", body)
			require.Empty(t, text)
			require.Zero(t, life)
		}
	}
}

// An accepted JWT can be sent in a header and lives from three seconds to a day.
func FuzzParseJWT(f *testing.F) {
	f.Add(unsignedJWT(headerRS256, `{"exp":1767326645}`))
	f.Add(`"a.b.c"`)
	f.Add("<html>")
	f.Fuzz(func(t *testing.T, body string) {
		text, life, fault := parseJWT(body, asked)
		if fault != "" {
			require.NotContains(t, fault, "html")
			return
		}
		require.Regexp(t, `^[!-~]+$`, text)
		require.LessOrEqual(t, len(text), 16<<10)
		require.Contains(t, body, text)
		require.True(t, life >= 3*time.Second && life <= 24*time.Hour, "%s", life)
	})
}

func TestParseJWTOfSixteenKiB(t *testing.T) {
	t.Parallel()
	_, _, fault := parseJWT(strings.Repeat("a", 16<<10), asked)
	require.Empty(t, fault)
	_, _, fault = parseJWT(strings.Repeat("a", 16<<10+1), asked)
	require.Equal(t, "the token has more than 16 KiB", fault)
}

// A JWT must live for at least three seconds.
func TestParseJWTOfThreeSeconds(t *testing.T) {
	t.Parallel()
	body := unsignedJWT(headerRS256, `{"exp":1767323048}`)
	whole := asked.Truncate(time.Second)
	_, life, fault := parseJWT(body, whole)
	require.Empty(t, fault)
	require.Equal(t, 3*time.Second, life)
	_, _, fault = parseJWT(body, whole.Add(1))
	require.Contains(t, fault, "has expired, or is about to")
}

// With a clock that is slow by 20 s, a JWT for almost a day lives as long as it was issued for.
func TestParseJWTOfAlmostADay(t *testing.T) {
	t.Parallel()
	_, life, fault := parseJWT(unsignedJWT(headerRS256, `{"iat":1767323065,"exp":1767409435}`), asked)
	require.Empty(t, fault)
	require.Equal(t, 24*time.Hour-30*time.Second, life)
}

// An iat that equals exp is ignored: it would mean that the JWT never was valid.
func TestParseJWTIssuedAtItsExpiry(t *testing.T) {
	t.Parallel()
	_, life, fault := parseJWT(unsignedJWT(headerRS256, `{"iat":1767326645,"exp":1767326645}`), asked)
	require.Empty(t, fault)
	require.Equal(t, time.Hour-500*time.Millisecond, life)
}

// A quote at only one end of the body is not removed.
func TestParseJWTRejectsASingleQuote(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`a.b.c"`, `"a.b.c`, `xa.b.c"`, `"`} {
		_, _, fault := parseJWT(body, asked)
		require.Equal(t, "the body is not a token", fault, body)
	}
}
