package avanan

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asked is the time of the request: 1767323045 in Unix seconds (`date -u -d 2026-01-02T03:04:05 +%s`), and half a
// second.
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
	const half = 500 * time.Millisecond
	for name, test := range map[string]struct {
		claims string
		want   time.Duration
	}{
		"the vendor's clock is an hour ahead": {`{"iat":1767326645,"exp":1767330245}`, time.Hour},
		"the clocks agree":                    {`{"iat":1767323045,"exp":1767326645}`, time.Hour - half},
		"it was a minute old":                 {`{"iat":1767322985,"exp":1767326645}`, time.Hour - half},
		"three hours of 24 are over":          {`{"iat":1767312245,"exp":1767398645}`, 21*time.Hour - half},
		"23 hours, by a clock an hour ahead":  {`{"iat":1767326645,"exp":1767409445}`, 23 * time.Hour},
		"exactly 24 hours":                    {`{"iat":1767323045,"exp":1767409445}`, 24*time.Hour - half},
		"an exp more than a day away":         {`{"iat":1767323046,"exp":1767409446}`, time.Hour},
		"an iat in milliseconds":              {`{"iat":1767326645000,"exp":1767326645}`, time.Hour - half},
		"an iat after exp":                    {`{"iat":1767326646,"exp":1767326645}`, time.Hour - half},
		"an iat before all time":              {`{"iat":-1e300,"exp":1767326645}`, time.Hour - half},
		"an iat as a text":                    {`{"iat":"x","exp":1767326645}`, time.Hour - half},
		"no exp":                              {`{"iat":1767326645}`, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, life, fault := parseJWT(unsignedJWT(headerRS256, test.claims), asked)
			require.Empty(t, fault)
			require.Equal(t, test.want, life)
		})
	}
}

func TestParseJWTUnwraps(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"as it is":                  "a.b.c",
		"a line feed":               "a.b.c\n",
		"blanks":                    "\r\n a.b.c\t",
		"quotes":                    `"a.b.c"`,
		"quotes, then a line feed":  "\"a.b.c\"\r\n",
		"quotes with blanks within": `" a.b.c "`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, life, fault := parseJWT(body, asked)
			require.Empty(t, fault)
			require.Equal(t, "a.b.c", text)
			require.Equal(t, time.Hour, life)
		})
	}
}

func TestParseJWTRejects(t *testing.T) {
	t.Parallel()
	const (
		empty   = "the body is empty"
		noToken = "the body is not a token"
		expired = "the token has expired, or is about to (is this server's clock right?)"
	)
	expiring := func(at string) string { return unsignedJWT(headerRS256, `{"exp":`+at+`}`) }
	for name, test := range map[string]struct{ body, want string }{
		"nothing":                  {"", empty},
		"blanks":                   {" \r\n", empty},
		"quotes":                   {`""`, empty},
		"quotes around a blank":    {`" "`, empty},
		"a web page":               {"<html>Welcome</html>", noToken},
		"an object":                {`{"token":"a.b.c"}`, noToken},
		"a list":                   {`["a.b.c"]`, noToken},
		"an answer without data":   {`{"responseEnvelope":{},"responseData":[]}`, noToken},
		"a blank within":           {"a.b c", noToken},
		"a byte 0":                 {"a.b.c\x00", noToken},
		"another header":           {"a.b.c\r\nx-av-token: d", noToken},
		"a quote before":           {`"a.b.c`, noToken},
		"a quote behind":           {`a.b.c"`, noToken},
		"a quote behind, x before": {`xa.b.c"`, noToken},
		"a quote alone":            {`"`, noToken},
		"not ASCII":                {"ä.b.c", noToken},
		"not UTF-8":                {"a.b.\xff", noToken},
		"half a second to live":    {expiring("1767323046"), expired},
		"2.5 s to live":            {expiring("1767323048"), expired},
		"expired just now":         {expiring("1767323045"), expired},
		"expired in 1970":          {expiring("0"), expired},
		"expired before 1970":      {expiring("-1"), expired},
		"expired before all time":  {expiring("-1e300"), expired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, life, fault := parseJWT(test.body, asked)
			require.Equal(t, test.want, fault)
			require.Empty(t, text)
			require.Zero(t, life)
		})
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
