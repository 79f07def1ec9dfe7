package sandbox_test

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// Python computed the tokens of this file, each for its timestamp:
//
//	message = "acme:09bc91b9-76e5-4256-8e4f-7a41c1408014@" + timestamp
//	hmac.new(b"sandbox-pave-secret", message.encode(), "sha256").hexdigest()

// paveTimestamps are the forms of upstream clients, each with an example from a page or a client.
var paveTimestamps = []struct {
	form             sandbox.Timestamps
	timestamp, token string
}{
	{sandbox.RFC3339, "2026-01-02T03:04:05Z", "56ca75d9d3e557966d16fee2529a85c6f51a4cb898d85aea90b077454e606976"},
	{
		sandbox.RFC3339Millis, "2026-01-02T03:04:05.123Z", "daf5b8a1a7ef1e886285323af02ae33f385d37f83ad893c8857fe66a5225bfda",
	},
	{
		sandbox.RFC3339Micros, "2026-01-02T03:04:05.607380+00:00",
		"915b5ea5d1e722b7ff59691e5acb6ec7be5cc9dbf41a2f1b5b4f52e51394054e",
	},
	{
		sandbox.HTTPDate, "Fri, 02 Jan 2026 03:04:05 GMT", "7697154ac64e755bfb658c3fe7413191652b1ae83f3a65fca9a53c28857d227b",
	},
	{sandbox.UnixSeconds, "1767323045", "2db39fd5fd0d758bab2ac7c70a741aae1fa51690c40844bfd55a96cc11b86544"},
}

func TestPaveTakesAllTimestampsOrOnlyOneForm(t *testing.T) {
	t.Parallel()
	require.Equal(t, sandbox.AllTimestamps, sandbox.Default().PAVETimestamps)
	for _, sent := range paveTimestamps {
		headers := with(with(paveHeaders(), "API-Timestamp", sent.timestamp), "API-Token", sent.token)
		status, _ := send(start(nil), http.MethodGet, "/v1/sessions", headers, "")
		require.Equal(t, http.StatusOK, status, "%s, of all", sent.form)
		for _, taken := range paveTimestamps {
			want := http.StatusUnauthorized
			if taken.form == sent.form {
				want = http.StatusOK
			}
			s := start(func(b *sandbox.Behaviour) { b.PAVETimestamps = taken.form })
			status, _ := send(s, http.MethodGet, "/v1/sessions", headers, "")
			require.Equal(t, want, status, "%s is sent, %s is taken", sent.form, taken.form)
		}
	}
}

func TestPaveRefusesOtherTimestamps(t *testing.T) {
	t.Parallel()
	for _, sent := range []struct{ timestamp, token string }{
		{"2026-01-02T03:04:05", "bce0423d3ebfd85f78626c4a23a215dfd8478d41b9b7f533621e608fd5a74e98"},
		{"2026-01-02T03:04:05+00:00", "8e8669f63ac5276da3b5de2a669f684eb5a9e1e9521b478a0fce2fa3f92970c4"},
		{"2026-01-02T03:04:05.1Z", "c79f80734e268286c88c443e506bf9f3ca7a44a1a52c126b358cf15604750a3f"},
		{"2026-01-02T03:04:05.607380Z", "fe5c2ec7410e8d0f8251a35c1938ca2c69a31c0159afda9ced919d240741fa3d"},
		{"2026-01-02T04:04:05.607380+01:00", "bbb328ae8b719956185a05cb20b56a26d5cf9f414ca43ef5c0cc12ebc680a700"},
		{"2026-01-02T03:04:05.607+00:00", "33df20a3a037de666250c9921a8613de06c85b24cb0854509350db51d56c62b4"},
		{"2026-01-02 03:04:05Z", "2a062187468b36735efa25ef143848fa712d142c1056ea4d9e4aa7eda02c4a17"},
		{"+1767323045", "b844e87210bf6e1196cac5d7ba13b0f8421355d3c38c9cd235ef2ed601dbd653"},
		{"01767323045", "40d28feca1a07c13a0567a7dcfd71742ddf9d8a4c01504483ab5e2c412f093cd"},
		{"1767323045.0", "41f38b90ceda793128c05b6e0d3c10a638ba230667772d4ed80aaf75da5961c2"},
		{"Thu, 02 Jan 2026 03:04:05 GMT", "3a1b8dd12a9de9abbd074e4ecb8387a43d1d7fada156b2ba79ad1620e9189f8b"},
		{"Fri, 02 Jan 2026 03:04:05 UTC", "b73b88dfbf544cbeaad94452284d37069c3826b8e62c5f59807cadfba5c81676"},
		{"now", "1c1e2e41d914a7bd1cd8fbf68863e99daf9f7c3638301f41dd1d5abae029fc90"},
	} {
		var log bytes.Buffer
		s := sandbox.New(sandbox.Default(), func() time.Time { return now }, &log)
		headers := with(with(paveHeaders(), "API-Timestamp", sent.timestamp), "API-Token", sent.token)
		status, _ := send(s, http.MethodGet, "/v1/sessions", headers, "")
		require.Equal(t, http.StatusUnauthorized, status, sent.timestamp)
		require.Contains(t, log.String(), "API-Timestamp is in a form that is not taken", sent.timestamp)
	}
}

func TestPaveTokenExpiresAfterFiveMinutes(t *testing.T) {
	t.Parallel()
	for _, sent := range []struct {
		timestamp, token string
		status           int
	}{
		{"2026-01-02T02:59:05Z", "7d8a17cedf3e5e38f193ee6930e90ea8ab1f761837770d31a4d548498611bebd", http.StatusOK},
		{"2026-01-02T03:04:35Z", "5b34ea01a0699baaef8d1f0ed1730cba941933e73b6e1593d8a642a8a0874061", http.StatusOK},
		{"2026-01-02T02:59:04Z", "f0d1e430b7a495d25f5726dfda0a63023d98f6fd7ab1d400571ba895db153085", http.StatusUnauthorized},
		{"2026-01-02T03:04:36Z", "d6fe61d88ac61b1d9b534f860b1965d41d1ef55c05c252729e1c86195c2a53ca", http.StatusUnauthorized},
		{"1767322744", "a85b4e7308cd88433144c0535b359323cdaeecde141a5313733e6dd7a8953c87", http.StatusUnauthorized},
		{"1767323045000", "63d50de2672b73fb440b4dda272aa93f9ea1704b15a18d1c0e0ad3291e4783ea", http.StatusUnauthorized},
	} {
		headers := with(with(paveHeaders(), "API-Timestamp", sent.timestamp), "API-Token", sent.token)
		status, _ := send(start(nil), http.MethodGet, "/v1/sessions", headers, "")
		require.Equal(t, sent.status, status, sent.timestamp)
	}
}

func TestSignatureLifeSetsAgeOfHeaders(t *testing.T) {
	t.Parallel()
	short := start(func(b *sandbox.Behaviour) { b.SignatureLife = 30 * time.Second })
	for _, sent := range []struct {
		timestamp, token string
		status           int
	}{
		{"2026-01-02T03:03:35Z", "28228c86faec755f70a93c1ceee3ab2123e915a533a2e6198096bddd41ff36aa", http.StatusOK},
		{"2026-01-02T03:03:34Z", "96b17d7132359cb8328e1733d5d4b98085288b47bb5f711413c67584b50af2f9", http.StatusUnauthorized},
	} {
		headers := with(with(paveHeaders(), "API-Timestamp", sent.timestamp), "API-Token", sent.token)
		status, _ := send(short, http.MethodGet, "/v1/sessions", headers, "")
		require.Equal(t, sent.status, status, sent.timestamp)
	}
	// Of the declared API, five minutes ago: hmac.new(b"sandbox-custom-secret", b"1767322745\nGET\n/custom/v1/orders\n",
	// "sha256").
	const early, signature = "1767322745", "2f6ad940249aba3558cb48b565e15e37c92d3f21d2494484b4547614e665f5e4"
	headers := map[string]string{"X-Time": early, "X-Signature": signature}
	for on, want := range map[*sandbox.Sandbox]int{start(nil): http.StatusOK, short: http.StatusUnauthorized} {
		status, _ := send(on, http.MethodGet, "/custom/v1/orders", headers, "")
		require.Equal(t, want, status)
	}
}
