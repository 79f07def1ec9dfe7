package backend

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// ovhCalls are calls to the API of customValues.
func ovhCalls() []values {
	return []values{
		{"method": "GET", "request_string": "/1.0/me?a=b"},
		{"method": "POST", "request_string": "/1.0/me", "body": `{"a":"b"}`},
		{"method": "GET", "request_string": "/1.0/me?a=b"},
	}
}

// requests are the parameters of a batch.
func requests(calls ...values) values {
	list := make([]any, len(calls))
	for i, call := range calls {
		list[i] = call
	}
	return values{"requests": list}
}

// A batch answers what the path of a single call does for each, except that all results end at one time. Python's
// hashlib computed the signature of the first:
//
//	sha1(b"canary-custom-secret+consumer+GET+https://api.example/1.0/me?a=b++1767323045").hexdigest()
func TestSignBatchEqualsSingleCalls(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/ovh", m.customValues())
	want := []any{}
	for _, call := range ovhCalls() {
		want = append(want, without(m.must(logical.UpdateOperation, "sign/custom/ovh", call), "expires_at"))
	}
	resp, status, text := m.handle(logical.UpdateOperation, "sign/custom/ovh/batch", requests(ovhCalls()...))
	require.Empty(t, text)
	require.Equal(t, http.StatusOK, status)
	require.Nil(t, resp.Secret)
	require.Equal(t, values{"results": want, "expires_at": "2026-01-02T03:05:05Z"}, resp.Data)
	first := resp.Data["results"].([]any)[0].(values)
	require.Equal(t, "$1$f8f89551c500497d18aba8ae3c294beb55d341c6",
		first["headers"].(map[string]string)["X-Ovh-Signature"])
	require.NotContains(t, m.logged(), "canary")

	// A scheme without headers has query parameters in its results.
	m.write("config/custom/q", values{"scheme": customQueryScheme, "base_url": "https://api.example", "key": "canary-key"})
	single := without(m.must(logical.UpdateOperation, "sign/custom/q", values{"request_string": "/a"}), "expires_at")
	batch := m.must(logical.UpdateOperation, "sign/custom/q/batch", requests(values{"request_string": "/a"}))
	require.Equal(t, []any{single}, batch["results"])
}

// For an API whose only input is the request string, maps of it are the same as the strings by themselves.
func TestRequestsEqualRequestStrings(t *testing.T) {
	t.Parallel()
	targets := []string{"/v1.0/scopes?a=1", "/v1.0/event/1", "/v1.0/scopes?a=1"}
	calls := make([]values, len(targets))
	for i, target := range targets {
		calls[i] = values{"request_string": target}
	}
	answers := map[string]values{}
	for name, data := range map[string]values{
		"requests": requests(calls...), "request_strings": {"request_strings": targets},
	} {
		m := newMountOf(t, withTokens(func() (token.Token, error) {
			return token.Token{Value: "a.b.c", AskedAt: began, ExpiresAt: began.Add(time.Hour), Format: "zoneless"}, nil
		}))
		m.write("config/avanan/us", with(m.avananValues(), values{"base_url": "https://a.example"}))
		answers[name] = m.must(logical.UpdateOperation, "sign/avanan/us/batch", data)
		require.Len(t, answers[name]["results"], len(targets))
	}
	require.Equal(t, answers["request_strings"], answers["requests"])
}

// If one call is wrong, none is signed. The error names the first that is wrong, and quotes nothing.
func TestSignBatchSignsAllOrNone(t *testing.T) {
	t.Parallel()
	const (
		takes = "; this takes method, request_string, body"
		maps  = "requests must be a list of maps, as JSON"
	)
	good := ovhCalls()[0]
	bad := func(change values) values { return requests(good, with(good, change)) }
	for name, test := range map[string]struct {
		given values
		want  string
	}{
		"a method that does not match": {
			given: bad(values{"method": "canary"}),
			want:  "requests[1]: method does not match the pattern that the scheme declares for it" + takes,
		},
		"another prefix": {
			given: bad(values{"request_string": "/2.0/canary"}),
			want:  "requests[1]: request_string must be under /1.0/" + takes,
		},
		"two that are wrong": {
			given: requests(with(good, values{"method": "canary"}), with(good, values{"request_string": ""})),
			want:  "requests[0]: method does not match the pattern that the scheme declares for it" + takes,
		},
		"an input is missing": {
			given: requests(good, values{"method": "GET"}),
			want:  "requests[1]: request_string is required" + takes,
		},
		"nothing in a call": {
			given: requests(values{}),
			want:  "requests[0]: method is required" + takes,
		},
		"an unknown input": {
			given: bad(values{"application_key": "canary"}),
			want:  `requests[1]: unknown parameter "application_key"` + takes,
		},
		"an input of the path": {
			given: bad(values{"unauthorized": true}),
			want:  `requests[1]: unknown parameter "unauthorized"` + takes,
		},
		"no name of its kind": {
			given: bad(values{"canary secret": "x"}),
			want:  "requests[1]: unknown parameter" + takes,
		},
		"a number for a text": {
			given: bad(values{"body": 5}),
			want:  "requests[1]: body must be a string, given once",
		},
		"a list for a text": {
			given: bad(values{"method": []string{"GET", "canary"}}),
			want:  "requests[1]: method must be a string, given once",
		},
		"null for a text": {
			given: bad(values{"body": nil}),
			want:  "requests[1]: body must be a string, given once",
		},
		"bytes that are not UTF-8": {
			given: bad(values{"body": "canary\ufffd"}),
			want: "requests[1]: body contains U+FFFD, which stands in place of bytes that are not UTF-8, so its signature " +
				"would be of something else; if the scheme takes the hash (body_sha256) or the base64 of such bytes, give that",
		},
		"a text for a call":  {values{"requests": []any{good, "canary"}}, maps},
		"a list for a call":  {values{"requests": []any{good, []any{}}}, maps},
		"null for a call":    {values{"requests": []any{good, nil}}, maps},
		"a text":             {values{"requests": "canary"}, maps},
		"a text that is one": {values{"requests": `[{"method":"GET","request_string":"/1.0/"}]`}, maps},
		"one call":           {values{"requests": good}, maps},
		"null":               {values{"requests": nil}, "requests is null: give it a value, or leave it out"},
		"nothing":            {nil, "requests is required: a list of at least one"},
		"an empty list":      {values{"requests": []any{}}, "requests is required: a list of at least one"},
		"one too many": {
			given: requests(slices.Repeat([]values{good}, 1001)...),
			want:  "requests has 1001 elements, more than 1000",
		},
		"inputs of a single call": {
			given: with(requests(good), values{"method": "GET"}),
			want:  `unknown parameter "method"; this takes requests, unauthorized`,
		},
		"request strings": {
			given: values{"request_strings": []string{"/1.0/me"}},
			want:  `unknown parameter "request_strings"; this takes requests, unauthorized`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/custom/ovh", m.customValues())
			require.Equal(t, test.want, m.refused(logical.UpdateOperation, "sign/custom/ovh/batch", test.given))
			require.NotContains(t, m.scrape(), `apisig_signatures_total{config="ovh",vendor="custom"}`, "nothing was signed")
			require.NotContains(t, m.logged(), "canary")
		})
	}
	m := newMount(t)
	m.write("config/custom/ovh", m.customValues())
	many := requests(slices.Repeat([]values{good}, 1000)...)
	require.Len(t, m.must(logical.UpdateOperation, "sign/custom/ovh/batch", many)["results"], 1000)
}

// A batch has at most 1 MiB, which is of all inputs of all its calls.
func TestSignBatchOfOneMiB(t *testing.T) {
	t.Parallel()
	const mebibyte = 1 << 20
	text := func(bytes int) string { return strings.Repeat("x", bytes) }
	// 128 calls, each of 8 KiB: a method, a path and a body.
	calls := func(more int) []values {
		all := make([]values, 128)
		for i := range all {
			all[i] = values{"method": "POST", "request_string": "/1.0/me", "body": text(mebibyte/128 - len("POST/1.0/me"))}
		}
		all[127]["request_string"] = "/1.0/me" + text(more)
		return all
	}
	const fault = "requests has more than 1 MiB together"
	for name, test := range map[string]struct {
		path  string
		calls []values
		want  string
	}{
		"1 MiB of three inputs": {"sign/custom/ovh/batch", calls(0), ""},
		"a byte more":           {"sign/custom/ovh/batch", calls(1), fault},
		"of one input": {
			path:  "sign/avanan/us/batch",
			calls: slices.Repeat([]values{{"request_string": "/" + text(8<<10-1)}}, 128),
		},
		"a byte more of one": {
			path:  "sign/avanan/us/batch",
			calls: append(slices.Repeat([]values{{"request_string": "/" + text(8<<10-1)}}, 128), values{"request_string": "/"}),
			want:  fault,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/custom/ovh", m.customValues())
			m.write("config/avanan/us", m.avananValues())
			data := requests(test.calls...)
			if test.want != "" {
				require.Equal(t, test.want, m.refused(logical.UpdateOperation, test.path, data))
				return
			}
			require.Len(t, m.must(logical.UpdateOperation, test.path, data)["results"], len(test.calls))
		})
	}
}

// Requests and request strings cannot be given together: the answer could not say which result is whose.
func TestRequestsAndRequestStringsTogether(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
	ids := m.ids.Load()
	for name, both := range map[string]values{
		"both":           {"request_strings": []string{"/a"}, "requests": []any{values{"request_string": "/a"}}},
		"none in one":    {"request_strings": []string{}, "requests": []any{values{"request_string": "/a"}}},
		"none in either": {"request_strings": []string{}, "requests": []any{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := m.in(t)
			require.Equal(t, "requests and request_strings cannot be given together",
				m.refused(logical.UpdateOperation, "sign/avanan/us/batch", both))
			require.Equal(t, ids, m.ids.Load(), "nothing was signed")
		})
	}
}

// A config that serves creds/ has no batch, and says where it is read. One that does not exist says what to write.
func TestSignBatchOfAConfigThatServesCreds(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/x", m.customCreds())
	for name, given := range map[string]values{
		"a call":        requests(ovhCalls()[0]),
		"none":          nil,
		"an empty list": {"requests": []any{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, "the config config/custom/x serves apisig/creds/custom/x",
				m.in(t).refused(logical.UpdateOperation, "sign/custom/x/batch", given))
		})
	}
	require.Contains(t, m.refused(logical.UpdateOperation, "sign/custom/none/batch", requests(ovhCalls()[0])),
		"there is no config at apisig/config/custom/none; write one first: ")
}

// OpenAPI and path-help show the parameters of a batch and the fields of its answer.
func TestSignBatchIsDescribed(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	resp, err := m.HandleRequest(t.Context(), m.request(logical.HelpOperation, "", values{
		"requestResponsePrefix": "apisig",
	}))
	require.NoError(t, err)
	document, is := resp.Data["openapi"].(*framework.OASDocument)
	require.True(t, is)
	for vendor, want := range map[string][]string{
		"avanan": {"request_strings", "requests", "unauthorized"},
		"custom": {"requests", "unauthorized"},
	} {
		t.Run(vendor, func(t *testing.T) {
			t.Parallel()
			m := m.in(t)
			path := document.Paths["/sign/"+vendor+"/{name}/batch"]
			require.NotNil(t, path)
			require.Nil(t, path.Get)
			body := path.Post.RequestBody.Content["application/json"].Schema.Ref
			schema := document.Components.Schemas[body[strings.LastIndex(body, "/")+1:]]
			require.Len(t, schema.Properties, len(want))
			help, err := m.HandleRequest(t.Context(), m.request(logical.HelpOperation, "sign/"+vendor+"/x/batch", nil))
			require.NoError(t, err)
			text, _ := help.Data["help"].(string)
			for _, parameter := range want {
				require.NotEmpty(t, schema.Properties[parameter].Description, parameter)
				require.Regexp(t, `(?m)^    `+parameter+` \(`, text)
			}
			require.Equal(t, "array", schema.Properties["requests"].Type)
			require.Contains(t, text, "vault write apisig/sign/"+vendor+"/<name>/batch")
			require.NotContains(t, text, "VENDOR")
			answer := path.Post.Responses[http.StatusOK].Content["application/json"].Schema.Ref
			fields := document.Components.Schemas[answer[strings.LastIndex(answer, "/")+1:]].Properties
			require.Contains(t, fields, "results")
			require.Contains(t, fields, "expires_at")
		})
	}
}

// A batch is counted as one read, and each of its calls as a signature. One that is refused counts as a read alone.
func TestMetricsCountBatches(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/ovh", m.customValues())
	m.must(logical.UpdateOperation, "sign/custom/ovh/batch", requests(ovhCalls()...))
	m.must(logical.UpdateOperation, "sign/custom/ovh/batch", requests(ovhCalls()[0]))
	m.refused(logical.UpdateOperation, "sign/custom/ovh/batch", requests(values{"method": "GET"}))
	m.must(logical.UpdateOperation, "sign/custom/ovh", ovhCalls()[0])
	got := m.scrape()
	for series, want := range map[string]float64{
		`apisig_reads_total{config="ovh",path="batch",result="ok",vendor="custom"}`:      2,
		`apisig_reads_total{config="ovh",path="batch",result="refused",vendor="custom"}`: 1,
		`apisig_reads_total{config="ovh",path="sign",result="ok",vendor="custom"}`:       1,
		`apisig_signatures_total{config="ovh",vendor="custom"}`:                          5,
	} {
		require.InDelta(t, want, got[series], 0, series)
	}
	require.Equal(t, 4, m.read("status/custom/ovh")["reads"])
}

// hangingUp is a signer whose client hangs up when it signs.
type hangingUp struct {
	api.Signer
	hangUp func()
	signed *int
}

func (s hangingUp) Sign(m api.Moment, given api.Inputs) (api.Answer, error) {
	*s.signed++
	s.hangUp()
	return s.Signer.Sign(m, given)
}

// A batch ends when its client hangs up, before its calls are checked and amid signing.
func TestSignBatchOfRequestsEndsWhenClientHangsUp(t *testing.T) {
	t.Parallel()
	ctx, hangUp := context.WithCancel(t.Context())
	signed, custom := 0, scheme.API()
	changeForms(custom, func(form *api.Form) {
		open := form.Open
		form.Open = func(v api.Values) (*api.Account, error) {
			account, err := open(v)
			if err == nil {
				account.Signer = hangingUp{account.Signer, hangUp, &signed}
			}
			return account, err
		}
	})
	m := newMountOf(t, []*api.API{custom})
	m.write("config/custom/ovh", m.customValues())
	req := m.request(logical.UpdateOperation, "sign/custom/ovh/batch", requests(ovhCalls()...))
	_, err := m.HandleRequest(ctx, req)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, signed)
	wrong := requests(values{"stranger": "x"})
	_, err = m.HandleRequest(ctx, m.request(logical.UpdateOperation, "sign/custom/ovh/batch", wrong))
	require.ErrorIs(t, err, context.Canceled, "its calls are not checked")
	require.NotContains(t, m.scrape(), `apisig_signatures_total{config="ovh",vendor="custom"}`)
}

// Calls of one batch that need a nonce have different ones, and later ones greater.
func TestSignBatchHasANonceForEachCall(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/x", values{"scheme": customNonceScheme, "base_url": "https://api.example", "key": "canary-key"})
	call := values{"request_string": "/a"}
	results, _ := m.must(logical.UpdateOperation, "sign/custom/x/batch", requests(call, call, call))["results"].([]any)
	var nonces []string
	for _, result := range results {
		nonces = append(nonces, result.(values)["headers"].(map[string]string)["X-Nonce"])
	}
	require.Equal(t, []string{"1767323045123", "1767323045124", "1767323045125"}, nonces)
}

// customNonceScheme has a nonce of milliseconds, which grows. OpenSSL computed the signature:
//
//	printf 1767323045123/a | openssl dgst -sha256 -hmac made-up
const customNonceScheme = `secrets: {key: {}}
request: {request_string: {}}
growing: true
headers:
  X-Nonce: now.unix_ms()
  X-Sig: hex(hmac_sha256(key, now.unix_ms() + request_string))
ttl: 60s
examples:
  - secrets: {key: made-up}
    request: {request_string: /a}
    now: 2026-01-02T03:04:05.123Z
    want: {X-Sig: 2bc2537f28082248181ade8bb78d76637f94e568350734e273f339bde900a4ce}
`

// What is wrong with a call is found before a token is fetched, so that a wrong call costs no login.
func TestWrongCallsCostNoLogin(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		vendor string
		path   string
		wrong  values
		want   string
	}{
		"Avanan, a call": {
			"avanan", "sign/avanan/x", values{"request_string": "no slash"}, "request_string does not start with /",
		},
		"Avanan, nothing": {"avanan", "sign/avanan/x", nil, "request_string is required"},
		"Avanan, the second of a batch": {
			vendor: "avanan",
			path:   "sign/avanan/x/batch",
			wrong:  requests(values{"request_string": "/a"}, values{"request_string": "/a,b"}),
			want:   "requests[1]: request_string contains a comma",
		},
		"Avanan, request strings": {
			vendor: "avanan",
			path:   "sign/avanan/x/batch",
			wrong:  values{"request_strings": []string{"/a", "/a,b"}},
			want:   "request_strings[1] contains a comma",
		},
		"Avanan, an empty batch": {"avanan", "sign/avanan/x/batch", nil, "request_strings is required"},
		"Avanan, an unknown input": {
			vendor: "avanan",
			path:   "sign/avanan/x/batch",
			wrong:  requests(values{"request_string": "/a", "method": "GET"}),
			want:   `requests[0]: unknown parameter "method"; this takes request_string`,
		},
		"made up, a method": {
			vendor: "madeup",
			path:   "sign/madeup/x",
			wrong:  values{"method": "get", "request_string": "/", "body_sha256": "e3b0"},
			want:   "method must be upper case",
		},
		"made up, no body": {
			vendor: "madeup",
			path:   "sign/madeup/x",
			wrong:  values{"method": "GET", "request_string": "/"},
			want:   "body_sha256 is required",
		},
		"made up, the second of a batch": {
			vendor: "madeup",
			path:   "sign/madeup/x/batch",
			wrong: requests(
				values{"method": "GET", "request_string": "/", "body_sha256": "e3b0"},
				values{"method": "GET", "request_string": "a", "body_sha256": "e3b0"},
			),
			want: "requests[1]: request_string does not start with /",
		},
		"made up, an unknown input": {
			vendor: "madeup",
			path:   "sign/madeup/x/batch",
			wrong:  requests(values{"verb": "GET"}),
			want:   `requests[0]: unknown parameter "verb"; this takes method, request_string, body_sha256`,
		},
		"made up, min_ttl too large": {
			vendor: "madeup",
			path:   "creds/madeup/x",
			wrong:  values{"min_ttl": "31m"},
			want:   "min_ttl must be from 0s to 1800s",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			logins := 0
			counted := madeUp()
			withLogin(counted, func(context.Context, api.Caller, string) (api.Report, error) {
				logins++
				return api.Report{}, io.ErrUnexpectedEOF
			})
			m := newMountOf(t, append(withTokens(func() (token.Token, error) {
				logins++
				return token.Token{}, io.ErrUnexpectedEOF
			}), counted))
			config := with(m.avananValues(), values{"verify": false})
			if test.vendor == "madeup" {
				config = values{"user": "me", "password": "p", "base_url": m.url, "verify": false}
			}
			m.write("config/"+test.vendor+"/x", config)
			require.Contains(t, m.refused(logical.UpdateOperation, test.path, test.wrong), test.want)
			require.Zero(t, logins)
			require.Equal(t, 0, m.read("status/" + test.vendor + "/x")["exchanges"])
		})
	}
}
