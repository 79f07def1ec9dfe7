package scheme_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// jwt is a JWT with some claims, which nobody signed.
func jwt(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + ".sig"
}

// asked is 1767323045: 2026-01-02T03:04:05Z.
func TestLivesOfLogins(t *testing.T) {
	t.Parallel()
	const (
		number  = "must be a number of at most 15 digits, or a string of one, in the answer"
		over    = "has already ended by the answer: it is 0, negative, or in the past"
		instant = "must be a time in the answer, in the format that the scheme declares"
		none    = time.Hour // ttl
	)
	for _, test := range []struct {
		name, rule, value string
		want              time.Duration
		fault             string
	}{
		{"seconds", "{pointer: /life}", `60`, time.Minute, ""},
		{"a string", "{pointer: /life}", `"60"`, time.Minute, ""},
		{"a fraction", "{pointer: /life, as: seconds}", `59.999`, 59 * time.Second, ""},
		{"a fraction in a string", "{pointer: /life}", `"59.999"`, 59 * time.Second, ""},
		{"minutes", "{pointer: /life, as: minutes}", `20`, 20 * time.Minute, ""},
		{"milliseconds", "{pointer: /life, as: ms}", `1500`, 1500 * time.Millisecond, ""},
		{"an instant", "{pointer: /life, as: unix}", `1767323105`, time.Minute, ""},
		{"an instant with a fraction", "{pointer: /life, as: unix}", `1767323105.123456`, time.Minute, ""},
		{"an instant in milliseconds", "{pointer: /life, as: unix_ms}", `"1767323105500"`, 60500 * time.Millisecond, ""},
		{"RFC 3339", "{pointer: /life, as: rfc3339}", `"2026-01-02T03:05:05Z"`, time.Minute, ""},
		{"RFC 3339 with a zone", "{pointer: /life, as: rfc3339}", `"2026-01-02T05:05:05+02:00"`, time.Minute, ""},
		{
			"RFC 3339 with a fraction", "{pointer: /life, as: rfc3339}", `"2026-01-02T03:05:05.5Z"`, 60500 * time.Millisecond,
			"",
		},
		{"a layout", "{pointer: /life, as: '%Y-%m-%d %H:%M:%S'}", `"2026-01-02 03:05:05"`, time.Minute, ""},
		{
			"a layout with names", "{pointer: /life, as: '%a, %d %b %y %H:%M:%S GMT'}", `"Fri, 02 Jan 26 03:05:05 GMT"`,
			time.Minute, "",
		},
		{
			"a layout with a fraction", "{pointer: /life, as: '%d/%m/%Y 100%% %H:%M:%S.%3f'}", `"02/01/2026 100% 03:05:05.250"`,
			60250 * time.Millisecond, "",
		},
		{
			"a layout with Go's words", "{pointer: /life, as: 'Jan 2006 %Y%m%dT%H%M%S.%6fZ'}",
			`"Jan 2006 20260102T030505.000001Z"`, time.Minute + time.Microsecond, "",
		},
		{"a number in a layout", "{pointer: /life, as: '%Y%m%d%H%M%S'}", `20260102030505`, time.Minute, ""},
		{"absent", "{pointer: /none}", `1`, none, ""},
		{"the longest that is believed", "{pointer: /life}", `86400`, 24 * time.Hour, ""},
		{"a longer one", "{pointer: /life}", `86401`, none, ""},
		{"a year", "{pointer: /life}", `31536000`, none, ""},
		{"a year in minutes", "{pointer: /life, as: minutes}", `525600`, none, ""},
		{"15 digits", "{pointer: /life}", `999999999999999`, none, ""},
		{"15 digits of minutes", "{pointer: /life, as: minutes}", `999999999999999`, none, ""},
		{"15 digits of an instant", "{pointer: /life, as: unix}", `999999999999999`, none, ""},
		{"the year 9999", "{pointer: /life, as: rfc3339}", `"9999-12-31T23:59:59Z"`, none, ""},
		{"zero", "{pointer: /life}", `0`, 0, over},
		{"less than a second", "{pointer: /life}", `0.9`, 0, over},
		{"a negative number", "{pointer: /life}", `-1`, 0, over},
		{"a large negative number", "{pointer: /life, as: minutes}", `-999999999999999`, 0, over},
		{"now", "{pointer: /life, as: unix}", `1767323045`, 0, over},
		{"the past", "{pointer: /life, as: rfc3339}", `"2026-01-02T03:04:04.999Z"`, 0, over},
		{"an instant of the past in a layout", "{pointer: /life, as: '%Y%m%d%H%M%S'}", `"20260102030405"`, 0, over},
		{"16 digits", "{pointer: /life}", `1000000000000000`, 0, number},
		{"an exponent", "{pointer: /life}", `6e1`, 0, number},
		{"a plus sign", "{pointer: /life}", `"+60"`, 0, number},
		{"hex", "{pointer: /life}", `"0x60"`, 0, number},
		{"words", "{pointer: /life}", `"an hour"`, 0, number},
		{"a unit", "{pointer: /life}", `"60s"`, 0, number},
		{"a space", "{pointer: /life}", `" 60"`, 0, number},
		{"an empty string", "{pointer: /life}", `""`, 0, number},
		{"null", "{pointer: /life}", `null`, 0, number},
		{"true", "{pointer: /life}", `true`, 0, number},
		{"an object", "{pointer: /life}", `{"a":60}`, 0, number},
		{"a number for an instant", "{pointer: /life, as: rfc3339}", `1767323105`, 0, instant},
		{"another format", "{pointer: /life, as: rfc3339}", `"2026-01-02 03:05:05"`, 0, instant},
		{"a day that is none", "{pointer: /life, as: '%Y-%m-%d %H:%M:%S'}", `"2026-02-30 03:05:05"`, 0, instant},
		{"a month that is none", "{pointer: /life, as: '%d %b %Y %H:%M:%S'}", `"02 Foo 2026 03:05:05"`, 0, instant},
		{"a text that is too short", "{pointer: /life, as: '%Y-%m-%d %H:%M:%S'}", `"2026-01-02 03:05:0"`, 0, instant},
		{"a text that is too long", "{pointer: /life, as: '%Y-%m-%d %H:%M:%S'}", `"2026-01-02 03:05:05Z"`, 0, instant},
		{"signs in a layout", "{pointer: /life, as: '%Y-%m-%d %H:%M:%S'}", `"2026-01-02 03:+5:05"`, 0, instant},
		{"a sign in a fraction", "{pointer: /life, as: '%Y-%m-%d %H:%M:%S.%3f'}", `"2026-01-02 03:05:05.+00"`, 0, instant},
		{"a list", "{pointer: /life, as: rfc3339}", `["2026-01-02T03:05:05Z"]`, 0, instant},

		{"a JWT", "{jwt: token}", `{"exp":1767323105}`, time.Minute, ""},
		{"a JWT with a fraction", "{jwt: token}", `{"exp":1767323105.9}`, time.Minute, ""},
		{"a JWT of a clock that is ahead", "{jwt: token}", `{"iat":1767326645,"exp":1767326705}`, time.Minute, ""},
		{"a JWT of a clock that is behind", "{jwt: token}", `{"iat":1767323000,"exp":1767323100}`, 55 * time.Second, ""},
		{"a JWT without exp", "{jwt: token}", `{"iat":1767323045}`, none, ""},
		{"a JWT of a year", "{jwt: token}", `{"exp":1798859045}`, none, ""},
		{"a JWT that is over", "{jwt: token}", `{"exp":1767323045}`, 0, over},
		{"a JWT that ends before it begins", "{jwt: token}", `{"iat":1767323200,"exp":1767323105}`, 0, over},
		{"a JWT with an exp of words", "{jwt: token}", `{"exp":"soon"}`, 0, number},
		{"a JWT with an iat of words", "{jwt: token}", `{"iat":"soon","exp":1767323105}`, 0, number},
		{
			"a JWT with two exp", "{jwt: token}", `{"exp":1767323105,"exp":1767323106}`, 0,
			"uses a name that the answer has twice",
		},
		{"a JWT with padding", "{jwt: padded}", `{"exp":1767323105 }`, time.Minute, ""},
		{"a text of two parts", "{jwt: halved}", `{"exp":1767323105}`, none, ""},
		{"a JWT of other claims", "{jwt: token}", `["exp"]`, none, ""},
		{"a JWT that is no JSON", "{jwt: token}", `exp`, none, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			token := "abc"
			switch test.rule {
			case "{jwt: token}":
				token, test.value = jwt(test.value), "0"
			case "{jwt: padded}":
				payload := base64.URLEncoding.EncodeToString([]byte(test.value))
				require.Contains(t, payload, "=")
				token, test.value = "e30."+payload+".sig", "0"
			case "{jwt: halved}":
				token, test.value = strings.TrimSuffix(jwt(test.value), ".sig"), "0"
			}
			test.rule = strings.NewReplacer("padded", "token", "halved", "token").Replace(test.rule)
			gives, err := readLogin(t, answered("{pointer: /token}", "life: "+test.rule), nil,
				`{"token":"`+token+`","life":`+test.value+`}`)
			if test.fault != "" {
				require.EqualError(t, err, "login.life: "+test.fault)
				require.Empty(t, gives)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, gives.Life)
		})
	}
}

// The first life that the answer tells counts, whatever it is.
func TestFirstLifeCounts(t *testing.T) {
	t.Parallel()
	const rules = "life: [{jwt: token}, {pointer: /until, as: rfc3339}, {pointer: /life}]"
	const longer = "the answer tells a life longer than max, 24h0m0s, which counts as none, so ttl counts: 1h0m0s"
	const none = "the answer tells no life where the scheme looks for it, so ttl counts: 1h0m0s"
	for _, test := range []struct {
		name, body string
		want       time.Duration
		assumed    string
	}{
		{"the first", `{"token":"` + jwt(`{"exp":1767323105}`) + `","until":"x","life":-1}`, time.Minute, ""},
		{"the second", `{"token":"abc","until":"2026-01-02T03:06:05Z","life":-1}`, 2 * time.Minute, ""},
		{"the third", `{"token":"a.b","life":180}`, 3 * time.Minute, ""},
		{"one that is too long", `{"token":"abc","until":"2036-01-02T03:06:05Z","life":180}`, time.Hour, longer},
		{"none", `{"token":"a.b.c"}`, time.Hour, none},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			gives, err := readLogin(t, answered("{pointer: /token}", rules), nil, test.body)
			require.NoError(t, err)
			require.Equal(t, test.want, gives.Life)
			require.Equal(t, test.assumed, gives.Assumed)
		})
	}
	_, err := readLogin(t, answered("{pointer: /token}", rules), nil, `{"token":"abc","life":0}`)
	require.EqualError(t, err, "login.life[2]: has already ended by the answer: it is 0, negative, or in the past")
	// A body that need not be JSON tells no life if it is none.
	gives, err := readLogin(t, answered("{header: X-Token}", rules), http.Header{"X-Token": {"abc"}}, "OK")
	require.NoError(t, err)
	require.Equal(t, time.Hour, gives.Life)
	longest := answered("{pointer: /token}", "life: {pointer: /life}\n  max: 768h")
	gives, err = readLogin(t, longest, nil, `{"token":"abc","life":2764800}`)
	require.NoError(t, err)
	require.Equal(t, 768*time.Hour, gives.Life)
}
