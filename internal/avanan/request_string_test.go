package avanan

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckRequestStringAccepts(t *testing.T) {
	t.Parallel()
	for _, requestString := range []string{
		"/",
		"/v1.0/scopes",
		"/v1.0/scopes/",
		"/v1.0/msp/usage?year=2026&month=8",
		"/v1.0/task/123445311234?scope=mt-prod-3%3Acustomer1",
		"/v1.0/sectool-exceptions/avanan_url/exceptions/block-url/http%3A%2F%2Fx.test%2Fa",
		"/v1.0/exceptions/whitelist/b%C3%BCcher",
		"/v1.0/x?q=a+b&c=%2C",
		"/v1.0/x?q=100%",
		"/v1.0/x?url=https://x.test//a/../b",
		"/v1.0/x?next=?a",
		"/v1.0/x?a=b??c",
		"/v1.0/...",
		"/v1.0/.well-known/a..b/c.",
		"/v1.0/x?q='\"<>`{}|^~",
		"/" + strings.Repeat("a", MaxRequestString-1),
	} {
		require.NoError(t, CheckRequestString("US:myapp29", requestString), requestString)
	}
}

func TestCheckRequestStringRefuses(t *testing.T) {
	t.Parallel()
	deep := "%" + strings.Repeat("25", maxEncoding) + "41"
	for want, requestStrings := range map[string][]string{
		"is empty":       {""},
		"is longer than": {"/" + strings.Repeat("a", MaxRequestString)},
		"does not start with /": {
			"v1.0/scopes", "https://smart-api-production-1-us.avanan.net/v1.0/scopes", "?a=1", "%2Fv1.0/scopes", "*",
		},
		"contains a space, a control character or one outside ASCII": {
			"/v1.0/x?q=a b", "/v1.0/scopes ", "/v1.0/\tx", "/v1.0/x\n", "/v1.0/x\r\nHost: x", "/v1.0/x\x00", "/v1.0/x\x7f",
			"/v1.0/bücher", "/v1.0/検疫", "/v1.0/\xff",
		},
		"contains a comma": {"/v1.0/a,b", "/v1.0/x?q=a,b", "/,"},
		"contains # or \\": {"/v1.0/x#frag", "/v1.0/x?q=#", `/v1.0\x`, `/v1.0/x?q=a\b`},
		"ends in ?":        {"/v1.0/scopes?", "/v1.0/x?a=b?", "/?"},
		"has // in its p":  {"//v1.0/scopes", "/v1.0//scopes", "/v1.0/scopes//", "/v1.0//x?a=b"},
		"has a . or .. segment": {
			"/v1.0/event/../action/entity", "/v1.0/./scopes", "/..", "/.", "/v1.0/event/..", "/v1.0/event/../?a=1",
			"/v1.0/event/%2e%2e/action", "/v1.0/event/%2E%2E/action", "/v1.0/event/.%2e/action", "/v1.0/event/%2e/x",
			"/v1.0/event/%252e%252e/action", "/v1.0/event/..%2Faction", "/v1.0/event%2f..%2faction", "/v1.0/event/..%5Caction",
			"/v1.0/event/..;/action", "/v1.0/event/..;a=b/action", "/v1.0/event/..%3Ba/x", "/v1.0/event/..%3Fa/x",
			"/v1.0/%25%32%65%25%32%65/x", "/v1.0/..%00/x", "/v1.0/..%20/x", "/v1.0/%09../x", "/v1.0/.%00./x", "/v1.0/.%0a",
			"/v1.0/event%5c..%5caction", "/v1.0/event/..%23x",
		},
		"is percent-encoded more than": {"/v1.0/" + deep + "25", "/v1.0/x?q=" + deep + "25"},
		"contains the app id": {
			"/v1.0/x?q=US:myapp292026-01-02T03:04:05.123456/v1.0/action/entity", "/US:myapp29", "/v1.0/x?q=us:MYAPP29",
			"/v1.0/x?q=US%3Amyapp29", "/v1.0/x?q=US%3amyapp29", "/v1.0/x?q=US%253Amyapp29", "/v1.0/x?q=%55%53%3A%6dyapp29",
			"/v1.0/x?q=US%25%33%41myapp29", "/v1.0/x/US%25253Amyapp29", "/v1.0/xUS:myapp29x?q=1",
		},
	} {
		for _, requestString := range requestStrings {
			err := CheckRequestString("US:myapp29", requestString)
			require.ErrorContains(t, err, want, "%q", requestString)
		}
	}
}

// An app id with a slash may begin in the digits of the date and end in the request string.
func TestCheckRequestStringKnowsAnAppIDThatBeginsInTheDate(t *testing.T) {
	t.Parallel()
	for appID, refused := range map[string][]string{
		"56/x":    {"/x2026-01-02T03:04:05.123456/v1.0/action", "/x"},
		"5Z/v1.0": {"/v1.0/scopes"},
		"6/":      {"/v1.0/scopes"},
	} {
		for _, requestString := range refused {
			require.ErrorContains(t, CheckRequestString(appID, requestString), "contains the app id")
		}
	}
	require.NoError(t, CheckRequestString("56/x", "/v1.0/scopes"))
	require.NoError(t, CheckRequestString("app/v1.0", "/v1.0/scopes"))
	require.NoError(t, CheckRequestString("a/", "/v1.0/scopes"))
	require.NoError(t, CheckRequestString("", "/v1.0/scopes"))
}

// FuzzCheckRequestString: an accepted string makes one signed text that can be read in one way only. It looks for the
// app id, a date and a target (or nothing, as in a handshake) after the place where the app id was put.
func FuzzCheckRequestString(f *testing.F) {
	f.Add("US:myapp29", "/v1.0/scopes?a=1")
	f.Add("US:myapp29", "/x?US:myapp292026-01-02T03:04:05.123456/v1.0/action")
	f.Add("56/x", "/x2026-01-02T03:04:05.123456")
	f.Add("a", "/%2561")
	const reqID, date = "9f2c0245-4092-4595-ae6b-59a25f9534c3", "2026-01-02T03:04:05.123456"
	afterAppID := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?(/|$)`)
	f.Fuzz(func(t *testing.T, appID, requestString string) {
		if appID == "" || CheckRequestString(appID, requestString) != nil {
			return
		}
		require.Regexp(t, `^/[!-~]*$`, requestString)
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
