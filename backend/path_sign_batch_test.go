package backend

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// OpenSSL computed the signatures, for the ids and the date below:
//
//	printf %s "${id}US:sandbox2026-01-02T03:04:05.123456${request_string}sandbox-avanan-secret" |
//	    openssl base64 -A | openssl dgst -sha256
func TestSignAvananBatchAnswer(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"date_format": "zoneless"}))
	requestStrings := []string{"/v1.0/scopes?a=1", "/v1.0/event/1", "/v1.0/scopes?a=1"}
	resp, _, text := m.handle(logical.UpdateOperation, "sign/avanan/us/batch", values{"request_strings": requestStrings})
	require.Empty(t, text)
	require.Nil(t, resp.Secret)
	token := m.read("creds/avanan/us")["token"].(string)
	results := []any{}
	for i, sig := range []string{
		"f41cb5a6785838b0ba1e461a513242fbaec46f7c9e173dcda4da92656d74c6c5",
		"a716ee4a591bb95a7d8dd0bffe771a98b0b4262d3b447975bdc8035dc6d0e781",
		"d63469cdd35df790f5ba9d5697feaacda86f86e78000a3902b00120cda0ccae6",
	} {
		results = append(results, values{
			"headers": map[string]string{
				"x-av-req-id": fmt.Sprintf("00000000-0000-4000-8000-%012d", i+2), // the first id is the handshake's
				"x-av-token":  token,
				"x-av-app-id": "US:sandbox",
				"x-av-date":   "2026-01-02T03:04:05.123456",
				"x-av-sig":    sig,
			},
			"header_lines": fmt.Sprintf("x-av-app-id: US:sandbox\nx-av-date: 2026-01-02T03:04:05.123456\n"+
				"x-av-req-id: 00000000-0000-4000-8000-%012d\nx-av-sig: %s\nx-av-token: %s\n", i+2, sig, token),
			"url": m.url + requestStrings[i],
		})
	}
	require.Equal(t, values{"results": results, "expires_at": "2026-01-02T04:04:05Z"}, resp.Data)
}

// If any request string is invalid, none is signed. The error names the first invalid one.
func TestSignAvananBatchSignsAllOrNone(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
	many := make([]string, maxBatch)
	for i := range many {
		many[i] = fmt.Sprintf("/v1.0/event/%d", i)
	}
	const texts = "request_strings must be a list of strings"
	for name, test := range map[string]struct {
		given values
		want  string
	}{
		"a comma in the second": {
			given: values{"request_strings": []string{"/v1.0/a", "/v1.0/b,c", "/v1.0/%2e%2e"}},
			want:  "request_strings[1] contains a comma",
		},
		"the first is empty": {
			given: values{"request_strings": []string{"", "/v1.0/a"}},
			want:  "request_strings[0] is empty",
		},
		"one without a slash": {
			given: values{"request_strings": "v1.0/a"},
			want:  "request_strings[0] does not start with /",
		},
		"one after a space": {
			given: values{"request_strings": []string{" /v1.0/a"}},
			want:  "request_strings[0] does not start with /",
		},
		"the app id in the third": {
			given: values{"request_strings": []string{"/a", "/b", "/c?q=us%3asandbox"}},
			want:  "request_strings[2] contains the app id",
		},
		"points in the last": {
			given: values{"request_strings": append(many[:maxBatch-1:maxBatch-1], "/v1.0/../a")},
			want:  "request_strings[999] has a . or .. segment",
		},
		"one too many": {
			given: values{"request_strings": append(many[:maxBatch:maxBatch], "/v1.0/a")},
			want:  "request_strings has 1001 elements, more than 1000",
		},
		"an empty list": {values{"request_strings": []string{}}, "request_strings is required"},
		"a number":      {values{"request_strings": []any{"/v1.0/a", 1}}, texts},
		"a list in it":  {values{"request_strings": []any{[]string{"/v1.0/a"}}}, texts},
		"an object":     {values{"request_strings": values{"a": "/v1.0/a"}}, texts},
		"null":          {values{"request_strings": nil}, "request_strings is null"},
		"nothing":       {nil, "request_strings is required"},
		"a single call": {
			given: values{"request_string": "/a"},
			want:  `unknown parameter "request_string"; this takes request_strings, requests, unauthorized`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/avanan/us", m.avananValues())
			ids := m.ids.Load()
			require.Contains(t, m.refused(logical.UpdateOperation, "sign/avanan/us/batch", test.given), test.want)
			require.Equal(t, ids, m.ids.Load(), "nothing was signed")
		})
	}
	sign := func(requestStrings any) any {
		data := values{"request_strings": requestStrings}
		return m.must(logical.UpdateOperation, "sign/avanan/us/batch", data)["results"]
	}
	require.Len(t, sign(many), maxBatch)
	require.Len(t, sign("/v1.0/a"), 1)
}

func TestSignAvananBatchEndsWhenClientHangsUp(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
	m.read("creds/avanan/us")
	ids := m.ids.Load()
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	m.storage.verb.Store("get") // so that the error below cannot come from storage
	_, err := m.HandleRequest(ctx, m.request(logical.UpdateOperation, "sign/avanan/us/batch", values{
		"request_strings": []string{"/v1.0/a"},
	}))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, ids, m.ids.Load(), "nothing was signed")
}

// A config can be named batch, like the end of the path.
func TestSignAvananBatchForConfigNamedBatch(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/batch", m.avananValues())
	m.must(logical.UpdateOperation, "sign/avanan/batch", values{"request_string": "/v1.0/a"})
	m.must(logical.UpdateOperation, "sign/avanan/batch/batch", values{"request_strings": []string{"/v1.0/a"}})
}

// A batch has at most 1 MiB of request strings and 8 MiB of answer. A larger one is rejected before anything is signed.
func TestSignAvananBatchLimits(t *testing.T) {
	t.Parallel()
	life := func(size int) []*api.API {
		return withTokens(func() (token.Token, error) {
			return token.Token{
				Value: secret.Text(strings.Repeat("t", size)), AskedAt: began, ExpiresAt: began.Add(time.Hour), Format: "zoneless",
			}, nil
		})
	}
	many := func(count, length int) []string {
		return slices.Repeat([]string{"/" + strings.Repeat("x", length-1)}, count)
	}
	const large = "the answer would have more than 8 MiB"
	for name, test := range map[string]struct {
		token          int
		requestStrings []string
		want           string
	}{
		"1 MiB of long ones":       {1000, many(128, 8<<10), ""},
		"a byte more":              {1000, append(many(128, 8<<10), "/"), "request_strings has more than 1 MiB together"},
		"a thousand":               {1000, many(1000, 1000), ""},
		"200 with a long token":    {16 << 10, many(200, 10), ""},
		"300 with a long token":    {16 << 10, many(300, 10), large},
		"3000 bytes of token":      {3000, many(1000, 1048), ""},
		"4000 bytes of token":      {4000, many(1000, 1048), large},
		"escapes, \\u0026 in JSON": {2000, slices.Repeat([]string{"/?" + strings.Repeat("&", 1046)}, 1000), large},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMountOf(t, life(test.token))
			m.write("config/avanan/us", m.avananValues())
			ids := m.ids.Load()
			data := values{"request_strings": test.requestStrings}
			if test.want != "" {
				require.Contains(t, m.refused(logical.UpdateOperation, "sign/avanan/us/batch", data), test.want)
				require.Less(t, m.ids.Load()-ids, int64(1000), "it stopped early")
				return
			}
			answer := mustJSON(t, m.must(logical.UpdateOperation, "sign/avanan/us/batch", data))
			require.LessOrEqual(t, len(answer), 8<<20)
		})
	}
}

// If no id can be made, every path that needs one fails with an error, without a panic.
func TestFailingRandomnessIsAnError(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
	m.write("config/avanan/cold", with(m.avananValues(), values{"verify": false}))
	m.newID = func() (string, error) { return "", io.ErrUnexpectedEOF }
	batch, given := values{"request_strings": "/v1.0/scopes"}, values{"request_string": "/v1.0/scopes"}
	for name, request := range map[string]func(*mount) (*logical.Response, error){
		"a signature":      doing(logical.ReadOperation, "sign/avanan/us", given),
		"a batch":          doing(logical.UpdateOperation, "sign/avanan/us/batch", batch),
		"a cold read":      doing(logical.ReadOperation, "creds/avanan/cold", nil),
		"a verified write": doing(logical.UpdateOperation, "config/avanan/us", values{"verify": true}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, err := request(m.in(t))
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.Nil(t, resp)
		})
	}
}
