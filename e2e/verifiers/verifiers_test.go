// Package verifiers makes a real Vault sign calls with the schemes of schemes/, and checks the signatures with the
// libraries of others: the vendors' own, where they exist in Go, and for a few schemes libraries for Node.js (make
// e2e-npm). It is a module of its own, so that nothing else depends on those libraries.
package verifiers

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
	"github.com/akamai/AkamaiOPEN-edgegrid-golang/edgegrid"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/dghubble/oauth1"
	"github.com/dunglas/httpsfv"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/icholy/digest"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// values are parameters of a config or of a request, by name.
type values map[string]string

// signer signs calls with one of the schemes.
type signer struct{ mount *harness.Mount }

// with configures a scheme in a real Vault: base_url, fields and secrets by their names.
func with(t *testing.T, scheme string, config values) signer {
	t.Helper()
	text, err := os.ReadFile(harness.Path("schemes/" + scheme + ".yml"))
	require.NoError(t, err)
	parameters := harness.Values{"scheme": string(text)}
	for name, value := range config {
		parameters[name] = value
	}
	m := harness.NewMount(t)
	status, _, problem := m.Request(http.MethodPut, "config/custom/api", parameters)
	require.Contains(t, []int{http.StatusOK, http.StatusNoContent}, status, problem) // 200 with warnings
	return signer{m}
}

// signed is what Vault answers.
type signed struct {
	url     string
	headers values
}

// sign makes Vault sign a call, now.
func (s signer) sign(t *testing.T, request values) signed {
	t.Helper()
	status, answer, problem := s.mount.In(t).Request(http.MethodPut, "sign/custom/api", request)
	require.Equal(t, http.StatusOK, status, problem)
	result := signed{headers: values{}}
	result.url, _ = answer.Data["url"].(string)
	headers, _ := answer.Data["headers"].(harness.Values)
	for name, value := range headers {
		result.headers[name], _ = value.(string)
	}
	return result
}

// token reads headers, and returns the token among them.
func (s signer) token(t *testing.T) string {
	t.Helper()
	status, answer, problem := s.mount.Request(http.MethodGet, "creds/custom/api", nil)
	require.Equal(t, http.StatusOK, status, problem)
	authorization, _ := answer.Data["headers"].(harness.Values)["Authorization"].(string)
	scheme, token, _ := strings.Cut(authorization, " ")
	require.Equal(t, "bearer", strings.ToLower(scheme))
	return token
}

// call is the call that a signature is for.
func call(t *testing.T, method string, signed signed, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, signed.url, strings.NewReader(body))
	require.NoError(t, err)
	for name, value := range signed.headers {
		req.Header.Set(name, value)
	}
	return req
}

func hexSHA256(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// The signer of the AWS SDK gives the same Authorization for the call and its time.
func TestAWSSDKGivesTheSameSignature(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		scheme, service, host string
		request               values
		body                  string
		token                 string
	}{
		"a GET": {
			scheme:  "aws-sigv4",
			service: "execute-api",
			host:    "abc.execute-api.eu-central-1.amazonaws.com",
			request: values{"method": "GET", "request_string": "/prod/orders"},
		},
		"a query that must be sorted and encoded": {
			scheme:  "aws-sigv4",
			service: "iam",
			host:    "iam.amazonaws.com",
			request: values{
				"method":         "GET",
				"request_string": "/?Version=2010-05-08&Action=ListUsers&PathPrefix=%2fdivision%2F&b=2&b=1&e=&a=%C3%BC",
			},
		},
		"a body and a target": {
			scheme:  "aws-sigv4",
			service: "dynamodb",
			host:    "dynamodb.eu-central-1.amazonaws.com",
			request: values{"method": "POST", "request_string": "/", "target": "DynamoDB_20120810.ListTables"},
			body:    `{"Limit":10}`,
		},
		"Bedrock, an encoded colon": {
			scheme:  "aws-sigv4",
			service: "bedrock",
			host:    "bedrock-runtime.eu-central-1.amazonaws.com",
			request: values{"method": "POST", "request_string": "/model/anthropic.claude-3-haiku-20240307-v1%3A0/invoke"},
			body:    "{}",
		},
		"Lambda by ARN, raw colons": {
			scheme:  "aws-sigv4",
			service: "lambda",
			host:    "lambda.eu-central-1.amazonaws.com",
			request: values{
				"method":         "POST",
				"request_string": "/2015-03-31/functions/arn:aws:lambda:eu-central-1:123456789012:function:report/invocations",
			},
			body: "{}",
		},
		"OpenSearch, an asterisk": {
			scheme:  "aws-sigv4",
			service: "es",
			host:    "search-example.eu-central-1.es.amazonaws.com",
			request: values{"method": "GET", "request_string": "/logs-*/_search?q=level:error"},
		},
		"every character that a path can have, and lower-case hex": {
			scheme:  "aws-sigv4",
			service: "es",
			host:    "search-example.eu-central-1.es.amazonaws.com",
			request: values{"method": "GET", "request_string": "/az.AZ_09~-!$&'()*+;=:@/%20%2f%41%c3%bc/"},
		},
		"a session token": {
			scheme:  "aws-sigv4",
			service: "sqs",
			host:    "sqs.eu-central-1.amazonaws.com",
			request: values{"method": "POST", "request_string": "/", "target": "AmazonSQS.ListQueues"},
			body:    "{}",
			token:   "AQoDYXdzEPT//wEXAMPLE+token==",
		},
		"S3, a session token": {
			scheme:  "aws-s3",
			service: "s3",
			host:    "bucket.s3.eu-central-1.amazonaws.com",
			request: values{"method": "GET", "request_string": "/a%3Ab"},
			token:   "AQoDYXdzEPT//wEXAMPLE+token==",
		},
		"S3, a key that is percent-encoded": {
			scheme:  "aws-s3",
			service: "s3",
			host:    "bucket.s3.eu-central-1.amazonaws.com",
			request: values{"method": "PUT", "request_string": "/reports/a%20b%24%C3%BC.txt"},
			body:    "hello",
		},
		"S3, an upload that is not signed": {
			scheme:  "aws-s3-unsigned-payload",
			service: "s3",
			host:    "bucket.s3.eu-central-1.amazonaws.com",
			request: values{"method": "PUT", "request_string": "/reports/a%20b.tar?partNumber=1&uploadId=x"},
			token:   "AQoDYXdzEPT//wEXAMPLE+token==",
		},
		"S3, a list": {
			scheme:  "aws-s3",
			service: "s3",
			host:    "bucket.s3.eu-central-1.amazonaws.com",
			request: values{"method": "GET", "request_string": "/?list-type=2&prefix=a%2Fb%20c&delimiter=%2F&acl"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			credentials := aws.Credentials{
				AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: harness.NewSecret() + "/+", SessionToken: test.token,
			}
			config := values{
				"base_url": "https://" + test.host, "region": "eu-central-1",
				"access_key_id": credentials.AccessKeyID, "secret_access_key": credentials.SecretAccessKey,
			}
			if test.scheme == "aws-sigv4" {
				config["service"] = test.service
			}
			if test.token != "" {
				config["session_token"] = test.token
			}
			payload := hexSHA256(test.body)
			if test.scheme == "aws-s3-unsigned-payload" {
				payload = "UNSIGNED-PAYLOAD"
			}
			request := values{"body_sha256": payload}
			for name, value := range test.request {
				request[name] = value
			}
			if test.body == "" {
				delete(request, "body_sha256")
			}
			signed := with(t, test.scheme, config).sign(t, request)
			at, err := time.Parse("20060102T150405Z", signed.headers["X-Amz-Date"])
			require.NoError(t, err)
			require.WithinDuration(t, time.Now(), at, time.Minute)

			req := call(t, test.request["method"], signed, "") // without the length, which the SDK would sign
			req.Header.Del("Authorization")
			err = v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = test.service == "s3" }).
				SignHTTP(t.Context(), credentials, req, payload, test.service, "eu-central-1", at)
			require.NoError(t, err)
			require.Equal(t, req.Header.Get("Authorization"), signed.headers["Authorization"])
		})
	}
}

// replaced is a policy of the Azure SDK that replaces a call by another one, before the SDK signs it.
type replaced struct{ by *http.Request }

func (r replaced) Do(req *policy.Request) (*http.Response, error) {
	*req.Raw() = *r.by.Clone(req.Raw().Context())
	header := req.Raw().Header
	header.Del("Authorization")
	// The SDK looks for these spellings alone. Without x-ms-date it would sign a time of its own.
	for _, name := range []string{"x-ms-date", "Content-MD5"} {
		if value := header.Get(name); value != "" {
			header.Del(name)
			header[name] = []string{value}
		}
	}
	return req.Next()
}

// caught is a transport that keeps the Authorization of a call.
type caught struct{ authorization string }

func (c *caught) Do(req *http.Request) (*http.Response, error) {
	c.authorization = req.Header.Get("Authorization")
	return &http.Response{StatusCode: http.StatusTeapot, Body: http.NoBody, Header: http.Header{}, Request: req}, nil
}

// The Azure SDK gives the same Authorization for the call.
func TestAzureSDKGivesTheSameSignature(t *testing.T) {
	t.Parallel()
	const account = "exampleaccount"
	key := base64.StdEncoding.EncodeToString([]byte(harness.NewSecret()))
	for name, request := range map[string]values{
		"Get Blob": {
			"method":         "GET",
			"request_string": "/box/a%20b.txt",
			"byte_range":     "bytes=0-99",
		},
		"Put Blob": {
			"method":         "PUT",
			"request_string": "/box/a",
			"content_length": "5",
			"content_type":   "text/plain",
			"blob_type":      "BlockBlob",
		},
		"List Blobs": {
			"method":         "GET",
			"request_string": "/box?restype=container&comp=list",
		},
		"List Blobs with a prefix": {
			"method":         "GET",
			"request_string": "/box?restype=container&comp=list&prefix=a%20b%2F%C3%BC&maxresults=10&delimiter=%2F&timeout=30",
		},
		"Find Blobs by Tags": {
			"method":         "GET",
			"request_string": "/?comp=blobs&where=%22a%22%20%3D%20%27b%27&maxresults=2",
		},
		"List Containers": {
			"method":         "GET",
			"request_string": "/?comp=list",
		},
		"Create Container": {
			"method":         "PUT",
			"request_string": "/box?restype=container",
		},
		"every parameter and header in one call": {
			"method": "GET",
			"request_string": "/box?visibilitytimeout=60&versionid=2026-01-02T03%3A04%3A05.1234567Z&timeout=30" +
				"&snapshot=2026-01-02T03%3A04%3A05.1234567Z&restype=container&prefix=a%20b%2F&popreceipt=AgAA%2B%2FA%3D" +
				"&peekonly=true&numofmessages=32&messagettl=-1&maxresults=10&marker=2%2176%21MDA&include=metadata" +
				"&delimiter=%2F&comp=list&blocklisttype=all&blockid=MDAx",
			"access_tier":         "Hot",
			"blob_content_length": "512",
			"blob_type":           "BlockBlob",
			"byte_range":          "bytes=0-",
			"copy_source":         "https://example.com/a",
			"delete_snapshots":    "only",
			"file_content_length": "1024",
			"write":               "clear",
			"content_md5":         "XUFAKrxLKna5cZ2REBfFkg==",
		},
		"Put Block": {
			"method":         "PUT",
			"request_string": "/box/a?comp=block&blockid=MDAx%2B%2F%3D%3D",
			"content_length": "5",
		},
		"Put Blob with an empty body": {
			"method":         "PUT",
			"request_string": "/box/a",
			"content_length": "0",
			"blob_type":      "BlockBlob",
		},
		"Copy Blob to a tier": {
			"method":         "PUT",
			"request_string": "/box/b",
			"access_tier":    "Cool",
			"copy_source":    "https://" + account + ".blob.core.windows.net/box/a%20b.txt",
		},
		"Set Blob Tier": {
			"method":         "PUT",
			"request_string": "/box/a?comp=tier&versionid=2026-01-02T03%3A04%3A05.1234567Z",
			"access_tier":    "Archive",
		},
		"Put Page": {
			"method":         "PUT",
			"request_string": "/box/disk?comp=page",
			"write":          "update",
			"byte_range":     "bytes=0-511",
			"content_length": "512",
		},
		"Create Page Blob": {
			"method":              "PUT",
			"request_string":      "/box/disk",
			"blob_type":           "PageBlob",
			"blob_content_length": "1024",
		},
		"Delete Blob with its snapshots": {
			"method":           "DELETE",
			"request_string":   "/box/a",
			"delete_snapshots": "include",
		},
		"Get Messages of the queue service": {
			"service":        "queue",
			"method":         "GET",
			"request_string": "/tasks/messages?numofmessages=32&peekonly=true",
		},
		"Delete Message of the queue service": {
			"service":        "queue",
			"method":         "DELETE",
			"request_string": "/tasks/messages/0b01?popreceipt=AgAA%2B%2FA%3D",
		},
		"Create File of the file service": {
			"service":             "file",
			"method":              "PUT",
			"request_string":      "/share/a.txt",
			"file_content_length": "1024",
		},
		"Put Range of the file service": {
			"service":        "file",
			"method":         "PUT",
			"request_string": "/share/a.txt?comp=range",
			"write":          "clear",
			"byte_range":     "bytes=0-4",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := "https://" + account + "." + cmp.Or(request["service"], "blob") + ".core.windows.net"
			delete(request, "service")
			signed := with(t, "azure-storage", values{"base_url": base, "account": account, "account_key": key}).sign(t, request)
			req := call(t, request["method"], signed, "")
			if length, is := request["content_length"]; is {
				req.Header.Set("Content-Length", length)
			}
			credential, err := service.NewSharedKeyCredential(account, key)
			require.NoError(t, err)
			transport := &caught{}
			client, err := service.NewClientWithSharedKeyCredential(base, credential, &service.ClientOptions{
				ClientOptions: azcore.ClientOptions{
					Transport:       transport,
					PerCallPolicies: []policy.Policy{replaced{req}},
					Retry:           policy.RetryOptions{MaxRetries: -1},
				},
			})
			require.NoError(t, err)
			_, err = client.GetProperties(t.Context(), nil)
			require.Error(t, err, "the transport answers 418")
			require.NotEmpty(t, transport.authorization)
			require.Equal(t, transport.authorization, signed.headers["Authorization"])
		})
	}
}

// Akamai's own library gives the same Authorization in the same second, for the same nonce. Not parallel: it sets the
// source of package uuid.
//
//nolint:paralleltest // see above
func TestAkamaiLibraryGivesTheSameSignature(t *testing.T) {
	const host = "akab-example.luna.akamaiapis.net"
	akamai := edgegrid.Config{
		Host:         host,
		ClientToken:  "akab-client",
		AccessToken:  "akab-access",
		ClientSecret: harness.NewSecret() + "=",
		MaxBody:      131072,
	}
	s := with(t, "akamai", values{
		"base_url":      "https://" + host,
		"client_token":  akamai.ClientToken,
		"access_token":  akamai.AccessToken,
		"client_secret": akamai.ClientSecret,
	})
	defer uuid.SetRand(nil)
	for name, request := range map[string]values{
		"a query":             {"method": "GET", "request_string": "/papi/v1/groups?a=1&b=%20"},
		"a body":              {"method": "POST", "request_string": "/ccu/v3/invalidate", "body": `{"objects":["/a"]}`},
		"a body not signed":   {"method": "PUT", "request_string": "/x", "body": "not signed"},
		"a POST without body": {"method": "POST", "request_string": "/empty"},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Eventually(t, func() bool {
				signed := s.sign(t, request)
				ours := signed.headers["Authorization"]
				nonce := uuid.MustParse(part(t, ours, "nonce"))
				uuid.SetRand(bytes.NewReader(nonce[:]))
				req := edgegrid.AddRequestHeader(akamai, call(t, request["method"], signed, request["body"]))
				uuid.SetRand(nil)
				theirs := req.Header.Get("Authorization")
				if part(t, theirs, "timestamp") != part(t, ours, "timestamp") {
					return false
				}
				require.Equal(t, theirs, ours)
				return true
			}, "two signatures of one second")
		})
	}
}

// part is the value of a name in a header of the form name=value;name=value.
func part(t *testing.T, header, name string) string {
	t.Helper()
	_, rest, found := strings.Cut(header, name+"=")
	require.True(t, found, header)
	value, _, _ := strings.Cut(rest, ";")
	return value
}

// A receiver that knows nothing of the scheme accepts the message: it reads what is covered from Signature-Input, with
// a library for structured fields, and builds the signature base from the call.
func TestMessageSignatureVerifies(t *testing.T) {
	t.Parallel()
	key := append([]byte(harness.NewSecret()), 0, 255)
	s := with(t, "rfc9421-hmac-sha256", values{
		"base_url": "https://api.example.com/base", "key_id": "key-1", "secret": base64.StdEncoding.EncodeToString(key),
	})
	for name, request := range map[string]values{
		"a query and a body": {"method": "POST", "request_string": "/orders?a=1&b=%20", "body": `{"a":"ü"}`},
		"a path":             {"method": "GET", "request_string": "/orders"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signed := s.sign(t, request)
			verify(t, call(t, request["method"], signed, request["body"]), key)
			req := call(t, "DELETE", signed, request["body"])
			require.NotEqual(t, signatureOf(t, req), hmacSHA256(key, base(t, req)), "another method")
			req = call(t, request["method"], signed, request["body"])
			req.URL.RawQuery = "a=2"
			require.NotEqual(t, signatureOf(t, req), hmacSHA256(key, base(t, req)), "another query")
		})
	}
}

// hmacSHA256 is the algorithm hmac-sha256 of RFC 9421, section 3.3.3.
func hmacSHA256(key []byte, message string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(message))
	return mac.Sum(nil)
}

// verify checks a message as its receiver does.
func verify(t *testing.T, req *http.Request, key []byte) {
	t.Helper()
	require.Equal(t, hmacSHA256(key, base(t, req)), signatureOf(t, req))
	body, err := io.ReadAll(req.Body)
	require.NoError(t, err)
	sum := sha256.Sum256(body)
	require.Equal(t, sum[:], member[httpsfv.Item](t, req, "Content-Digest", "sha-256").Value)
	created, _ := member[httpsfv.InnerList](t, req, "Signature-Input", "sig1").Params.Get("created")
	seconds, is := created.(int64)
	require.True(t, is)
	require.WithinDuration(t, time.Now(), time.Unix(seconds, 0), time.Minute)
}

// member is one of a header that is a dictionary of structured fields (RFC 9651).
func member[T any](t *testing.T, req *http.Request, header, name string) T {
	t.Helper()
	dictionary, err := httpsfv.UnmarshalDictionary(req.Header.Values(header))
	require.NoError(t, err)
	found, _ := dictionary.Get(name)
	typed, is := found.(T)
	require.True(t, is, "%s has no %s of the right type", header, name)
	return typed
}

func signatureOf(t *testing.T, req *http.Request) []byte {
	t.Helper()
	octets, is := member[httpsfv.Item](t, req, "Signature", "sig1").Value.([]byte)
	require.True(t, is)
	return octets
}

// base is the signature base: RFC 9421, section 2.5.
func base(t *testing.T, req *http.Request) string {
	t.Helper()
	input := member[httpsfv.InnerList](t, req, "Signature-Input", "sig1")
	var lines strings.Builder
	for _, item := range input.Items {
		name, is := item.Value.(string)
		require.True(t, is)
		value := req.Header.Get(name)
		switch name {
		case "@method":
			value = req.Method
		case "@target-uri":
			value = req.URL.String()
		}
		require.NotEmpty(t, value, name)
		lines.WriteString(`"` + name + `": ` + value + "\n")
	}
	parameters, err := httpsfv.Marshal(httpsfv.List{input})
	require.NoError(t, err)
	return lines.String() + `"@signature-params": ` + parameters
}

// Kraken accepts the nonce and the form that the answer tells. This is the arithmetic of Kraken's documentation:
// HMAC-SHA512 of the path and the SHA-256 of the nonce and the form. A client library in another language is in
// npm_test.go.
func TestKrakenSignatureIsOfTheDocumentation(t *testing.T) {
	t.Parallel()
	key := []byte(harness.NewSecret())
	s := with(t, "kraken", values{
		"base_url": "https://api.kraken.com", "api_key": "key", "private_key": base64.StdEncoding.EncodeToString(key),
	})
	const path, params = "/0/private/AddOrder", "pair=XBTEUR&type=buy&volume=1"
	for name, test := range map[string]struct {
		request values
		rest    string // of the form
	}{
		"no parameters": {values{"request_string": path}, ""},
		"parameters":    {values{"request_string": path, "params": params}, "&" + params},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signed := s.sign(t, test.request)
			count := signed.headers["API-Nonce"]
			form := sha256.Sum256([]byte(count + "nonce=" + count + test.rest))
			mac := hmac.New(sha512.New, key)
			mac.Write(append([]byte(path), form[:]...))
			require.Equal(t, base64.StdEncoding.EncodeToString(mac.Sum(nil)), signed.headers["API-Sign"])
			microseconds, err := strconv.ParseInt(count, 10, 64)
			require.NoError(t, err)
			require.WithinDuration(t, time.Now(), time.UnixMicro(microseconds), time.Minute)
		})
	}
}

// A client library for Digest authentication gives the same response for the same nonces.
func TestDigestLibraryGivesTheSameResponse(t *testing.T) {
	t.Parallel()
	for scheme, algorithm := range map[string]string{
		"http-digest":     "SHA-256",
		"http-digest-md5": "MD5",
	} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			password := harness.NewSecret() + ": \u00fc word"
			challenge := &digest.Challenge{
				Realm:     "a realm",
				Nonce:     "server/nonce=",
				Opaque:    "opaque+",
				Algorithm: algorithm,
				QOP:       []string{"auth"},
			}
			signed := with(t, scheme, values{
				"base_url": "https://device.example.com",
				"username": "user",
				"realm":    challenge.Realm,
				"password": password,
			}).sign(t, values{
				"method":         "GET",
				"request_string": "/a?b=c",
				"server_nonce":   challenge.Nonce,
				"opaque":         challenge.Opaque,
				"count":          "0000000a",
			})
			ours, err := digest.ParseCredentials(signed.headers["Authorization"])
			require.NoError(t, err)
			theirs, err := digest.Digest(challenge, digest.Options{
				Method:   "GET",
				URI:      "/a?b=c",
				Count:    10,
				Username: "user",
				Password: password,
				Cnonce:   ours.Cnonce,
			})
			require.NoError(t, err)
			require.Equal(t, theirs, ours)
		})
	}
}

// nonce is what package oauth1 takes a nonce from.
type nonce string

func (n nonce) Nonce() string { return string(n) }

// A client library for OAuth 1 gives the same signature in the same second, for the same nonce.
func TestOAuthLibraryGivesTheSameSignature(t *testing.T) {
	t.Parallel()
	consumerSecret, tokenSecret := harness.NewSecret()+"&%", harness.NewSecret()+" +"
	s := with(t, "oauth1-hmac-sha1", values{
		"base_url":        "https://api.example.com",
		"consumer_key":    "consumer",
		"consumer_secret": consumerSecret,
		"token":           "token",
		"token_secret":    tokenSecret,
	})
	for name, request := range map[string]values{
		"a query":          {"method": "GET", "request_string": "/1.1/a%20b.json?z=1&a=%20%2B&A=b"},
		"a form":           {"method": "POST", "request_string": "/1.1/a.json?z=1", "body": "status=Hello+%C3%BC%21&b"},
		"a PATCH, no form": {"method": "PATCH", "request_string": "/1.1/a.json?z=1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			harness.Eventually(t, func() bool {
				signed := s.sign(t, request)
				ours := fields(signed.headers["Authorization"])
				var theirs map[string]string
				config := oauth1.NewConfig("consumer", consumerSecret)
				config.Noncer = nonce(ours["oauth_nonce"])
				look := transport(func(req *http.Request) { theirs = fields(req.Header.Get("Authorization")) })
				ctx := context.WithValue(t.Context(), oauth1.HTTPClient, &http.Client{Transport: look})
				req := call(t, request["method"], signed, request["body"])
				req.Header.Del("Authorization")
				if request["body"] != "" {
					req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				}
				resp, err := config.Client(ctx, oauth1.NewToken("token", tokenSecret)).Do(req)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				if theirs["oauth_timestamp"] != ours["oauth_timestamp"] {
					return false
				}
				require.Equal(t, theirs, ours)
				return true
			}, "two signatures of one second")
		})
	}
}

// transport looks at a call, and answers it.
type transport func(*http.Request)

func (f transport) RoundTrip(req *http.Request) (*http.Response, error) {
	f(req)
	return httptest.NewRecorder().Result(), nil
}

// fields are the parameters of an OAuth header, decoded.
func fields(header string) map[string]string {
	parsed := map[string]string{}
	for field := range strings.SplitSeq(strings.TrimPrefix(header, "OAuth "), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		decoded, _ := url.PathUnescape(strings.Trim(value, `"`))
		parsed[name] = decoded
	}
	return parsed
}

// The library of Standard Webhooks accepts the message.
func TestStandardWebhooksLibraryVerifies(t *testing.T) {
	t.Parallel()
	key := base64.StdEncoding.EncodeToString([]byte(harness.NewSecret()))
	s := with(t, "standard-webhooks", values{"base_url": "https://example.com", "signing_secret": key})
	webhook, err := standardwebhooks.NewWebhook("whsec_" + key)
	require.NoError(t, err)
	for name, body := range map[string]string{
		"a body":  `{"event":"ü"}`,
		"no body": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			headers := http.Header{}
			for name, value := range s.sign(t, values{"message_id": "msg_1", "body": body}).headers {
				headers.Set(name, value)
			}
			require.NoError(t, webhook.Verify([]byte(body), headers))
			require.Error(t, webhook.Verify([]byte(body+" "), headers))
		})
	}
}

// A JWT library accepts the token.
func TestJWTLibraryVerifies(t *testing.T) {
	t.Parallel()
	key := harness.NewSecret()
	signed := with(t, "jwt-hs256", values{
		"base_url": "https://example.com", "key": key, "issuer": "me", "audience": "them",
	}).sign(t, values{"subject": "a \"b\" \\ <c>"})
	token, err := jwt.Parse(strings.TrimPrefix(signed.headers["Authorization"], "Bearer "),
		func(*jwt.Token) (any, error) { return []byte(key), nil },
		jwt.WithValidMethods([]string{"HS256"}),
		jwt.WithIssuer("me"),
		jwt.WithAudience("them"),
		jwt.WithSubject("a \"b\" \\ <c>"),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt())
	require.NoError(t, err)
	require.True(t, token.Valid)
}

// pemOf is a private key as a config takes it.
func pemOf(t *testing.T, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// A JWT library accepts the tokens that are signed with key pairs. None is good for longer than its vendor permits.
func TestJWTLibraryVerifiesKeyPairs(t *testing.T) {
	t.Parallel()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	rsa2048, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(rsa2048.Public())
	require.NoError(t, err)
	fingerprint := sha256.Sum256(public)
	apple := values{"key_id": "ABC123DEFG", "team_id": "DEF123GHIJ"}
	for name, test := range map[string]struct {
		scheme string
		config values
		key    crypto.Signer
		method string
		want   jwt.MapClaims // beside iat and exp
		kid    any
		most   time.Duration // from iat to exp; 0 for no exp
	}{
		"App Store Connect, a team's key": {
			scheme: "app-store-connect", key: p256, method: "ES256", kid: "2X9R4HXF34", most: 20 * time.Minute,
			config: values{"key_id": "2X9R4HXF34", "issuer_id": "57246542-96fe-1a63-e053-0824d011072a"},
			want:   jwt.MapClaims{"iss": "57246542-96fe-1a63-e053-0824d011072a", "aud": "appstoreconnect-v1"},
		},
		"App Store Connect, an individual key with a scope": {
			scheme: "app-store-connect", key: p256, method: "ES256", kid: "2X9R4HXF34", most: 20 * time.Minute,
			config: values{"key_id": "2X9R4HXF34", "scope": "GET /v1/apps?filter[platform]=IOS"},
			want: jwt.MapClaims{
				"sub": "user", "aud": "appstoreconnect-v1", "scope": []any{"GET /v1/apps?filter[platform]=IOS"},
			},
		},
		"APNs": {
			scheme: "apns", key: p256, method: "ES256", kid: "ABC123DEFG", config: apple,
			want: jwt.MapClaims{"iss": "DEF123GHIJ"},
		},
		"Apple Music": {
			scheme: "apple-music", key: p256, method: "ES256", kid: "ABC123DEFG", config: apple,
			want: jwt.MapClaims{"iss": "DEF123GHIJ"}, most: 15777000 * time.Second,
		},
		"Snowflake": {
			scheme: "snowflake", key: rsa2048, method: "RS256", most: time.Hour,
			config: values{"account": "myorg-acc_1", "user": "me@example.com", "base_url": "https://acc.snowflakecomputing.com"},
			want: jwt.MapClaims{
				"sub": "MYORG-ACC_1.ME@EXAMPLE.COM",
				"iss": "MYORG-ACC_1.ME@EXAMPLE.COM.SHA256:" + base64.StdEncoding.EncodeToString(fingerprint[:]),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := maps.Clone(test.config)
			config["private_key"] = pemOf(t, test.key)
			claims := jwt.MapClaims{}
			token, err := jwt.ParseWithClaims(with(t, test.scheme, config).token(t), claims,
				func(*jwt.Token) (any, error) { return test.key.Public(), nil },
				jwt.WithValidMethods([]string{test.method}), jwt.WithIssuedAt())
			require.NoError(t, err)
			require.Equal(t, test.kid, token.Header["kid"])
			begins, err := claims.GetIssuedAt()
			require.NoError(t, err)
			ends, err := claims.GetExpirationTime()
			require.NoError(t, err)
			require.Equal(t, test.most > 0, ends != nil)
			if ends != nil {
				require.LessOrEqual(t, ends.Sub(begins.Time), test.most)
			}
			delete(claims, "iat")
			delete(claims, "exp")
			require.Equal(t, test.want, claims)
		})
	}
}
