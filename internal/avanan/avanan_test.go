package avanan

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// At least six independent public clients in four languages computed testdata/vectors.json, with the same results.
func TestSignatureVectors(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	var vectors []struct {
		ID, Date, Sig string
		Secret        secret.Text
		ReqID         string `json:"req_id"`
		AppID         string `json:"app_id"`
		RequestString string `json:"request_string"`
	}
	require.NoError(t, json.Unmarshal(content, &vectors))
	require.Len(t, vectors, 59)
	for _, v := range vectors {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			headers := Credentials{v.AppID, v.Secret}.Headers(Call{v.ReqID, v.Date, "jwt", v.RequestString})
			require.Equal(t, map[string]string{
				"x-av-req-id": v.ReqID, "x-av-token": "jwt", "x-av-app-id": v.AppID, "x-av-date": v.Date, "x-av-sig": v.Sig,
			}, headers)
		})
	}
}

// Avanan's page has one worked example. Its base64 contains another secret than its text names; this test uses that
// one.
func TestWorkedValueOfTheVendorsPage(t *testing.T) {
	t.Parallel()
	credentials := Credentials{"US:myapp29", "my_avanan_secret"}
	text := credentials.signedText(Call{ReqID: "d290f1ee-6c54-4b01-90e6", Date: "2021-04-10T00:00:00.000Z"})
	require.Equal(t, "d290f1ee-6c54-4b01-90e6US:myapp292021-04-10T00:00:00.000Zmy_avanan_secret", string(text))
	require.Equal(t, "2462b23346ab0642b65d7d094aca5fb4c29fd96d0468deceae2704d258e81497", signature(text))
}

func TestDateFormats(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		at             time.Time
		zoneless, zulu string
	}{
		"nanoseconds": {
			at:       time.Date(2026, 1, 2, 3, 4, 5, 123_456_789, time.UTC),
			zoneless: "2026-01-02T03:04:05.123456",
			zulu:     "2026-01-02T03:04:05.123Z",
		},
		"a whole second": {
			at:       time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
			zoneless: "2026-01-02T03:04:05.000000",
			zulu:     "2026-01-02T03:04:05.000Z",
		},
		"another zone": {
			at:       time.Date(2026, 1, 2, 1, 4, 5, 100_000_000, time.FixedZone("UTC-2", -2*60*60)),
			zoneless: "2026-01-02T03:04:05.100000",
			zulu:     "2026-01-02T03:04:05.100Z",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.zoneless, Zoneless.Date(test.at))
			require.Equal(t, test.zulu, Zulu.Date(test.at))
		})
	}
	require.Equal(t, []DateFormat{"auto", "zoneless", "zulu"}, DateFormats())
}

// The hosts are those of Avanan's Smart API pages.
func TestRegions(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"au", "ca", "eu", "in", "uk", "us"}, Regions())
	for region, want := range map[string]string{
		"us":   "https://smart-api-production-1-us.avanan.net",
		"eu":   "https://smart-api-production-1-eu.avanan.net",
		"au":   "https://smart-api-production-5-ap.avanan.net",
		"ca":   "https://smart-api-production-1-ca.avanan.net",
		"uk":   "https://smart-api-production-1-euw2.avanan.net",
		"in":   "https://smart-api-production-1-aps1.avanan.net",
		"":     "",
		"US":   "",
		"ae":   "",
		"mec1": "",
		"usa":  "",
	} {
		t.Run(region, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, RegionURL(region))
		})
	}
}

// The signature depends only on the joined text, so it stays the same if a byte moves from one part to the next. This
// is how Avanan defines it, and the reason for CheckRequestString.
func FuzzHeaders(f *testing.F) {
	f.Add("rid-1", "app-1", "2026-01-01T00:00:00.000", "/v1.0/msp/usage?year=2026&month=8", "sec-1")
	f.Fuzz(func(t *testing.T, reqID, appID, date, requestString, key string) {
		headers := Credentials{appID, secret.Text(key)}.Headers(Call{ReqID: reqID, Date: date, RequestString: requestString})
		require.Len(t, headers, 5)
		require.Regexp(t, "^[0-9a-f]{64}$", headers["x-av-sig"])
		joined := Credentials{SecretKey: ""}.Headers(Call{ReqID: reqID + appID + date + requestString + key})
		require.Equal(t, joined["x-av-sig"], headers["x-av-sig"])
		other := Credentials{appID, secret.Text(key + "x")}.Headers(Call{
			ReqID: reqID, Date: date, RequestString: requestString,
		})
		require.NotEqual(t, other["x-av-sig"], headers["x-av-sig"])
	})
}

func ExampleCredentials_Headers() {
	credentials := Credentials{AppID: "app-1", SecretKey: "sec-1"}
	headers := credentials.Headers(Call{
		ReqID:         "rid-1",
		Date:          "2026-01-01T00:00:00.000",
		Token:         "jwt",
		RequestString: "/v1.0/msp/usage?year=2026&month=8",
	})
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		fmt.Printf("%s: %s\n", name, headers[name])
	}
	// Output:
	// x-av-app-id: app-1
	// x-av-date: 2026-01-01T00:00:00.000
	// x-av-req-id: rid-1
	// x-av-sig: c97db7dc303c0b8d83705663d48ccd7f7d210b0d8b29b8e89dffc3393514b07f
	// x-av-token: jwt
}
