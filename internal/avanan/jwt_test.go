package avanan

import (
	"encoding/base64"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// asked is 1767323045 in Unix seconds: `date -u -d 2026-01-02T03:04:05 +%s`.
var asked = time.Date(2026, 1, 2, 3, 4, 5, 500_000_000, time.UTC)

// unsignedJWT makes a JWT by hand.
func unsignedJWT(header, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode([]byte(claims)) + ".c2ln"
}

const headerRS256 = `{"alg":"RS256","typ":"JWT"}`

func TestParseTokenExpiry(t *testing.T) {
	t.Parallel()
	inAnHour := asked.Add(time.Hour)
	for name, test := range map[string]struct {
		body string
		want time.Time
	}{
		"exp":                        {unsignedJWT(headerRS256, `{"exp":1767326645}`), time.Unix(1767326645, 0)},
		"exp with decimals":          {unsignedJWT(headerRS256, `{"exp":1767326645.9}`), time.Unix(1767326645, 0)},
		"exp in a second and a half": {unsignedJWT(headerRS256, `{"exp":1767323047}`), time.Unix(1767323047, 0)},
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
			token, reason := parseToken(test.body, asked)
			require.Empty(t, reason)
			require.Equal(t, test.body, token.JWT.Reveal())
			require.True(t, test.want.Equal(token.ExpiresAt), "%s", token.ExpiresAt)
		})
	}
}

// With an iat, the clocks of the two sides need not agree: the token has at most what it was given for.
func TestParseTokenBelievesIatAgainstAClockThatIsSlow(t *testing.T) {
	t.Parallel()
	for claims, want := range map[string]time.Duration{
		`{"iat":1767326645,"exp":1767330245}`:    time.Hour, // the vendor's clock is an hour ahead
		`{"iat":1767323045,"exp":1767326645}`:    time.Hour - 500*time.Millisecond,
		`{"iat":1767322985,"exp":1767326645}`:    time.Hour - 500*time.Millisecond, // it was a minute old
		`{"iat":1767326645000,"exp":1767326645}`: time.Hour - 500*time.Millisecond, // in milliseconds: not meant
		`{"iat":1767326646,"exp":1767326645}`:    time.Hour - 500*time.Millisecond, // after exp: not meant
		`{"iat":-1e300,"exp":1767326645}`:        time.Hour - 500*time.Millisecond,
		`{"iat":"x","exp":1767326645}`:           time.Hour - 500*time.Millisecond,
		`{"iat":1767326645}`:                     time.Hour,
	} {
		token, reason := parseToken(unsignedJWT(headerRS256, claims), asked)
		require.Empty(t, reason)
		require.Equal(t, want, token.Life(), claims)
		require.True(t, token.ExpiresAt.Equal(asked.Add(want)))
	}
}

// instant is time.Time as the runtime lays it out (time/time.go), for what no clock here does on demand: to be set back,
// or to stand still.
type instant struct {
	wall      uint64
	monotonic int64
	_         *time.Location
}

// A clock that is set back makes no token live longer, nor does a machine that was suspended, where the monotonic reading
// stands still.
func TestTokenLeftUnderClocksThatDisagree(t *testing.T) {
	t.Parallel()
	now := time.Now()
	token, reason := parseToken("a.b.c", now)
	require.Empty(t, reason)
	require.Equal(t, time.Hour, token.Left(now))
	require.Equal(t, 20*time.Minute, token.Left(now.Add(40*time.Minute)))

	setBack := now
	(*instant)(unsafe.Pointer(&setBack)).monotonic += int64(40 * time.Minute)
	require.Equal(t, 20*time.Minute, token.Left(setBack), "forty minutes passed, and the wall clock shows none of them")
	suspended := now.Add(40 * time.Minute)
	(*instant)(unsafe.Pointer(&suspended)).monotonic -= int64(40 * time.Minute)
	require.Equal(t, 20*time.Minute, token.Left(suspended))
	require.Equal(t, time.Hour, token.Left(now.Round(0).Add(-time.Hour)), "never more than there was")
}

func TestParseTokenDress(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"a.b.c", "a.b.c\n", "\r\n a.b.c\t", `"a.b.c"`, "\"a.b.c\"\r\n", `" a.b.c "`} {
		token, reason := parseToken(body, asked)
		require.Empty(t, reason, "%q", body)
		require.Equal(t, "a.b.c", token.JWT.Reveal())
	}
}

func TestParseTokenRefuses(t *testing.T) {
	t.Parallel()
	for want, bodies := range map[string][]string{
		"the body is empty": {"", " \r\n", `""`, `" "`},
		"the body is no token": {
			"<html>Welcome</html>", `{"token":"a.b.c"}`, `["a.b.c"]`, `{"responseEnvelope":{},"responseData":[]}`, "a.b c", "a.b.c\x00",
			"a.b.c\r\nx-av-token: d", `"a.b.c`, `"`, "ä.b.c", "a.b.\xff",
		},
		"the token has expired already, or is about to (is this server's clock right?)": {
			unsignedJWT(headerRS256, `{"exp":1767323046}`),
			unsignedJWT(headerRS256, `{"exp":1767323045}`), unsignedJWT(headerRS256, `{"exp":0}`),
			unsignedJWT(headerRS256, `{"exp":-1}`), unsignedJWT(headerRS256, `{"exp":-1e300}`),
		},
	} {
		for _, body := range bodies {
			token, reason := parseToken(body, asked)
			require.Equal(t, want, reason, "%q", body)
			require.Zero(t, token)
		}
	}
}

// FuzzParseToken: what comes out can stand in a header, and lives from now to a day.
func FuzzParseToken(f *testing.F) {
	f.Add(unsignedJWT(headerRS256, `{"exp":1767326645}`))
	f.Add(`"a.b.c"`)
	f.Add("<html>")
	f.Fuzz(func(t *testing.T, body string) {
		token, reason := parseToken(body, asked)
		if reason != "" {
			require.NotContains(t, reason, "html")
			return
		}
		require.Regexp(t, `^[!-~]+$`, token.JWT.Reveal())
		require.Contains(t, body, token.JWT.Reveal())
		require.True(t, token.ExpiresAt.After(asked) && !token.ExpiresAt.After(asked.Add(24*time.Hour)))
	})
}
