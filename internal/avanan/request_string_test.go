package avanan

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCheckRequestStringAccepts(t *testing.T) {
	t.Parallel()
	for _, requestString := range []string{
		"/",
		"/v1.0/scopes",
		"/v1.0/scopes/",
		"/v1.0/",
		"/v1.0",
		"/v1.0/msp/usage?year=2026&month=8",
		"/v1.0/task/123445311234?scope=mt-prod-3%3Acustomer1",
		"/v1.0/search/query?scope=farm:cust",
		"/v1.0/search/query?scope=farm%3Acust",
		"/v1.0/sectool-exceptions/avanan_url/exceptions/block-url/http%3A%2F%2Fx.test%2Fa",
		"/v1.0/exceptions/whitelist/b%C3%BCcher",
		"/v1.0/exceptions/whitelist/b%25C3%25BCcher",
		"/v1.0/exceptions/whitelist/%E6%A4%9C%E7%96%AB%F0%9F%94%91",
		"/v1.0/exceptions/whitelist/a%20b%7E%C2%85",
		"/v1.0/exceptions/whitelist/100%",
		"/v1.0/exceptions/whitelist/100%25/50%2525",
		"/v1.0/exceptions/whitelist/%5E%75u",
		"/v1.0/x?q=a+b&c=%2C",
		"/v1.0/x?q=100%",
		"/v1.0/x?q=%00%0D%0A%7F%C0%AE%FF%u002e",
		"/v1.0/x?url=https://x.test//a/../b",
		"/v1.0/x?next=?a",
		"/v1.0/x?a=b??c",
		"/v1.0/x?next=/v1.1/scopes&again=v1.0/scopes&last=/v1.0",
		"/v1.0/...",
		"/v1.0/.well-known/a..b/c.",
		"/v1.0/a;.;..;b/x.;y",
		"/v1.0/x?q='\"<>`{}|^~",
		"/V1.0/scopes",
		"/%761%2E0%2fscopes",
		"/app/hec-api/v1.1/scopes",
		"/prefix/of/a/base/url",
	} {
		t.Run(requestString, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, CheckRequestString("US:myapp29", requestString))
		})
	}
}

func TestCheckRequestStringRefuses(t *testing.T) {
	t.Parallel()
	for want, requestStrings := range map[string][]string{
		"is empty": {""},
		"does not start with /": {
			"v1.0/scopes", "https://smart-api-production-1-us.avanan.net/v1.0/scopes", "?a=1", "%2Fv1.0/scopes", "*",
		},
		"contains a space, a control character or one outside ASCII": {
			"/v1.0/x?q=a b", "/v1.0/scopes ", "/v1.0/\tx", "/v1.0/x\n", "/v1.0/x\r\nHost: x", "/v1.0/x\x00", "/v1.0/x\x7f",
			"/v1.0/bücher", "/v1.0/検疫", "/v1.0/\xff", "/v1.0/x?q=\x1f",
		},
		"contains a comma":   {"/v1.0/a,b", "/v1.0/x?q=a,b", "/,"},
		"contains # or \\":   {"/v1.0/x#frag", "/v1.0/x?q=#", `/v1.0\x`, `/v1.0/x?q=a\b`},
		"ends in ?":          {"/v1.0/scopes?", "/v1.0/x?a=b?", "/?"},
		"has // in its path": {"//v1.0/scopes", "/v1.0//scopes", "/v1.0/scopes//", "/v1.0//x?a=b"},
		"has bytes in its path that are not valid UTF-8": {
			"/v1.0/event/..%ff", "/v1.0/event/%c0%ae%c0%ae/x", "/v1.0/event/..%c0%afx", "/v1.0/event/%e0%80%ae./x",
			"/v1.0/event/%f0%80%80%AE./x", "/v1.0/event/..%25ff", "/v1.0/event/%25c0%25ae./x", "/v1.0/event/%25%63%30%ae./x",
			"/v1.0/x%C3?q=%BC", "/v1.0/%C3%25BC", "/v1.0/%ed%a0%80", "/v1.0/%80?q=1",
		},
		"has an encoded control character in its path": {
			"/v1.0/event/..%7f/", "/v1.0/event/..%7F/x", "/v1.0/event/..%00x", "/v1.0/event/..%0d", "/v1.0/event/..%0ax",
			"/v1.0/event/x%0D%0AHost:%20x", "/v1.0/..%00/x", "/v1.0/%09../x", "/v1.0/.%00./x", "/v1.0/.%0a", "/v1.0/%1f",
			"/v1.0/event/..%2500x", "/v1.0/event/..%25250dx", "/v1.0/event/..%%30%30x", "/%01?q=1",
		},
		"has a %u escape in its path": {
			"/v1.0/event/%u002e%u002e/x", "/v1.0/event/%U002E./x", "/v1.0/event/..%u2215x", "/v1.0/event/%25u002e./x",
			"/v1.0/event/%%75002e./x", "/v1.0/event/%%55002e./x", "/v1.0/event/%2525u002e./x", "/v1.0/event/%u?q=1",
		},
		"has a . or .. segment in its path": {
			"/v1.0/event/../action/entity", "/v1.0/./scopes", "/..", "/.", "/v1.0/event/..", "/v1.0/event/../?a=1",
			"/v1.0/event/%2e%2e/action", "/v1.0/event/%2E%2E/action", "/v1.0/event/.%2e/action", "/v1.0/event/%2e/x",
			"/v1.0/event/%252e%252e/action", "/v1.0/event/..%2Faction", "/v1.0/event%2f..%2faction", "/v1.0/event/..%5Caction",
			"/v1.0/event/..;/action", "/v1.0/event/..;a=b/action", "/v1.0/event/..%3Ba/x", "/v1.0/event/..%3Fa/x",
			"/v1.0/%25%32%65%25%32%65/x", "/v1.0/..%20/x", "/v1.0/%20../x", "/v1.0/.%20./x", "/v1.0/%20.%20",
			"/v1.0/event%5c..%5caction", "/v1.0/event%5C%2E%5Caction", "/v1.0/event/..%23x",
		},
		"has a character in its path that some servers turn into": {
			"/v1.0/event/%EF%BC%8E%EF%BC%8E/admin", "/v1.0/event/..%EF%BC%8Fadmin", "/v1.0/event/%E2%80%A5/admin",
			"/v1.0/x%c2%a5..",
		},
		"contains the app id": {
			"/v1.0/x?q=US:myapp292026-01-02T03:04:05.123456/v2.0/action/entity", "/US:myapp29", "/v1.0/x?q=us:MYAPP29",
			"/v1.0/x?q=US%3Amyapp29", "/v1.0/x?q=US%3amyapp29", "/v1.0/x?q=US%253Amyapp29", "/v1.0/x?q=%55%53%3A%6dyapp29",
			"/v1.0/x?q=US%25%33%41myapp29", "/v1.0/x/US%25253Amyapp29", "/v1.0/xUS:myapp29x?q=1",
		},
		"contains /v1.0/ after its beginning": {
			"/v1.0/event/v1.0/action/entity", "/v1.0/x?next=/v1.0/scopes", "/x/v1.0/", "/v1.0/v1.0/", "/app/hec-api/v1.0/scopes",
			"/v1.0/x?next=/V1.0/scopes", "/v1.0/x?next=%2fv1.0%2Fscopes", "/v1.0/x?next=/v1%2E0/scopes",
			"/v1.0/x/%56%31%2e%30%2f", "/v1.0/x?next=%252Fv1.0%252F", "/v1.0/x?next=%2525252fV1.0/", "/v1.0?/v1.0/",
			"/%2fv1.0/x",
		},
	} {
		for _, requestString := range requestStrings {
			t.Run(fmt.Sprintf("%.80q", requestString), func(t *testing.T) {
				t.Parallel()
				require.ErrorContains(t, CheckRequestString("US:myapp29", requestString), want)
			})
		}
	}
}

// All 33 of them, in the path at every depth, but not in the query.
func TestCheckRequestStringRefusesEveryControlCharacterInThePath(t *testing.T) {
	t.Parallel()
	for octet := range 0x80 {
		for _, encoded := range []string{fmt.Sprintf("%%%02x", octet), fmt.Sprintf("%%25%02X", octet)} {
			err := CheckRequestString("US:myapp29", "/v1.0/a"+encoded+"a/x")
			if octet < 0x20 || octet == 0x7f {
				require.ErrorContains(t, err, "has an encoded control character in its path", encoded)
			} else {
				require.NoError(t, err, encoded)
			}
			require.NoError(t, CheckRequestString("US:myapp29", "/v1.0/a?q="+encoded), encoded)
		}
	}
}

func TestCheckRequestStringAcceptsUpTo8KiB(t *testing.T) {
	t.Parallel()
	for _, start := range []string{"/", "/v1.0/x?q=", "/v1.0/%C3%BC"} {
		t.Run(start, func(t *testing.T) {
			t.Parallel()
			longest := start + strings.Repeat("a", 8192-len(start))
			require.NoError(t, CheckRequestString("US:myapp29", longest))
			require.EqualError(t, CheckRequestString("US:myapp29", longest+"a"), "is longer than 8192 bytes")
		})
	}
}

func TestCheckRequestStringAcceptsUpToEightLayersOfEncoding(t *testing.T) {
	t.Parallel()
	for _, start := range []string{"/v1.0/", "/v1.0/x?q="} {
		for layers := 1; layers <= 12; layers++ {
			requestString := start + "%" + strings.Repeat("25", layers-1) + "41"
			if err := CheckRequestString("US:myapp29", requestString); layers <= 8 {
				require.NoError(t, err, requestString)
			} else {
				require.EqualError(t, err, "is percent-encoded more than 8 times", requestString)
			}
		}
	}
}

// The rules apply to the eighth layer as to the first.
func TestCheckRequestStringChecksEveryLayerOfEncoding(t *testing.T) {
	t.Parallel()
	for layers := range 8 {
		percent := "%" + strings.Repeat("25", layers)
		for requestString, want := range map[string]string{
			"/v1.0/event/." + percent + "2e/x": "has a . or .. segment",
			"/v1.0/event/x" + percent + "00":   "has an encoded control character",
			"/v1.0/event/x" + percent + "ff":   "has bytes in its path that are not valid UTF-8",
			"/v1.0/event/" + percent + "u002e": "has a %u escape",
			"/v1.0/x?" + percent + "2fv1.0/":   "contains /v1.0/ after its beginning",
			"/v1.0/x?US" + percent + "3amyapp": "contains the app id",
		} {
			t.Run(requestString, func(t *testing.T) {
				t.Parallel()
				require.ErrorContains(t, CheckRequestString("US:myapp", requestString), want)
			})
		}
	}
}

// The signed text joins app id, date and request string, so a second app id can start in the date.
func TestCheckRequestStringRefusesAnAppIDThatStartsInTheDate(t *testing.T) {
	t.Parallel()
	// Together these have every digit, at the end too, and every other character that a date can contain.
	var dates []string
	for _, format := range DateFormats() {
		for last := range 10 {
			at := time.Date(2017, 8, 29, 13, 46, 50, 123_450_000+last*1_001_000, time.UTC)
			dates = append(dates, format.Date(at))
		}
	}
	require.Contains(t, dates, "2017-08-29T13:46:50.123450")
	require.Contains(t, dates, "2017-08-29T13:46:50.132459")
	require.Contains(t, dates, "2017-08-29T13:46:50.132Z")
	for _, date := range dates {
		for start := range len(date) {
			for _, end := range []string{"/", "/x", "/v1.0", "/v1.0/scopes"} {
				appID := date[start:] + end
				require.ErrorContains(t, CheckRequestString(appID, end), "contains the app id", "%s%s", date, end)
				require.ErrorContains(t, CheckRequestString(appID, end+"?a=1"), "contains the app id", "%s%s", date, end)
				require.NoError(t, CheckRequestString("a"+appID, end), "%s%s", date, end)
				require.NoError(t, CheckRequestString(appID+"y", end), "%s%s", date, end)
			}
		}
	}
	require.NoError(t, CheckRequestString("56/x", "/v1.0/scopes"))
	require.NoError(t, CheckRequestString("app/v1.0", "/v1.0/scopes"))
	require.NoError(t, CheckRequestString("a/", "/v1.0/scopes"))
}

// An app id that could be part of a date is searched for in the request string as any other.
func TestCheckRequestStringWithAnAppIDOfDateCharacters(t *testing.T) {
	t.Parallel()
	for _, appID := range []string{
		"7", "56", "1234567890", "00000000", "2026-01-02T03:04:05.123456", "05.123Z", "T", "-", ":",
	} {
		t.Run(appID, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, CheckRequestString(appID, "/v3.0/scopes"))
			require.NoError(t, CheckRequestString(appID, "/"))
			for _, requestString := range []string{
				"/" + appID, "/x/a" + appID + "b", "/x?q=" + appID, "/x?q=" + escapedTwice(appID),
			} {
				require.ErrorContains(t, CheckRequestString(appID, requestString), "contains the app id", requestString)
			}
		})
	}
}

func TestCheckRequestStringWithoutAnAppID(t *testing.T) {
	t.Parallel()
	require.NoError(t, CheckRequestString("", "/v1.0/scopes"))
	require.ErrorContains(t, CheckRequestString("", "/v1.0/../scopes"), "has a . or .. segment")
}

func escapedTwice(text string) string {
	var escaped strings.Builder
	for _, octet := range []byte(text) {
		fmt.Fprintf(&escaped, "%%25%02x", octet)
	}
	return escaped.String()
}

// FuzzCheckRequestString: the text that is signed for an accepted string can be read as one request only. A second one
// would have the app id once more, then a date, then a request string or, in a handshake, nothing; or it would have a
// longer date and a shorter request string.
func FuzzCheckRequestString(f *testing.F) {
	f.Add("US:myapp29", "/v1.0/scopes?a=1")
	f.Add("US:myapp29", "/x?US:myapp292026-01-02T03:04:05.123456/v1.0/action")
	f.Add("US:myapp29", "/v1.0/event/v1.0/action/entity")
	f.Add("56/x", "/x2026-01-02T03:04:05.123456")
	f.Add("a", "/%2561")
	const reqID, date = "9f2c0245-4092-4595-ae6b-59a25f9534c3", "2026-01-02T03:04:05.123456"
	afterAppID := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?(/|$)`)
	f.Fuzz(func(t *testing.T, appID, requestString string) {
		if appID == "" || CheckRequestString(appID, requestString) != nil {
			return
		}
		require.Regexp(t, `^/[!-~]*$`, requestString)
		require.NotContains(t, requestString[1:], "/v1.0/")
		text := appID + date + requestString
		for at := 1; at < len(text); at++ {
			rest, found := strings.CutPrefix(text[at:], appID)
			require.False(t, found && afterAppID.MatchString(rest), "a second reading of %q at %d", reqID+text, at)
		}
	})
}

func ExampleCheckRequestString() {
	fmt.Println(CheckRequestString("US:myapp29", "/v1.0/event/1?scope=a%3Ab"))
	fmt.Println(CheckRequestString("US:myapp29", "/v1.0/event/../action/entity"))
	// Output:
	// <nil>
	// has a . or .. segment in its path
}

// A request string may contain every printable character of ASCII, from ! to ~, that no rule names, and none beyond
// them.
func TestCheckRequestStringAcceptsPrintableASCII(t *testing.T) {
	t.Parallel()
	require.NoError(t, CheckRequestString("US:myapp29", "/v1.0/a!\"$&'()*+-./0123456789:;<=>@AZ[]^_`az{|}~?b=!~"))
	for _, bad := range []string{"/v1.0/a ", "/v1.0/\x7f", "/v1.0/\x1f", "/v1.0/\x80"} {
		require.ErrorContains(t, CheckRequestString("US:myapp29", bad),
			"contains a space, a control character or one outside ASCII")
	}
}
