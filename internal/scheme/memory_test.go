package scheme_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// maxKept is what an accepted document may hold in memory: a thousand hold at most 256 MiB.
const maxKept = 256 << 20 / 1000

// heavy is a document with some names, and a header with an expression.
func heavy(request, lets, header, examples string) string {
	return "secrets: {key: {}}\nrequest: {" + request + "}\nlet: {" + lets + "}\n" +
		"headers: {X-Sig: 'hex(hmac_sha256(key, uuid))', X-A: '" + header + "'}\nttl: 60s\nexamples:\n" +
		"  - {secrets: {key: made-up}, now: 2026-01-02T03:04:05Z, uuid: u, want: {X-Sig: x}}\n" + examples
}

// many joins what write gives for 0, 1, 2 up to a count.
func many(count int, separator string, write func(i int) string) string {
	texts := make([]string, count)
	for i := range texts {
		texts[i] = write(i)
	}
	return strings.Join(texts, separator)
}

// joined is an expression of a count of operands, of a tree that is not deep. It has three nodes for each but the first
// two.
func joined(count int, operator, operand string) string {
	if count == 1 {
		return operand
	}
	return "(" + joined(count/2, operator, operand) + operator + joined(count-count/2, operator, operand) + ")"
}

// heaviest are accepted documents that take much memory, each for another reason. Documents of different seeds share
// nothing.
var heaviest = map[string]func(seed int) string{
	"classes": func(seed int) string {
		return heavy(many(60, ", ", func(i int) string {
			return fmt.Sprintf(`f%d: {pattern: '\p{Lu}{0,5}\p{Ll}{0,5}\p{Nd}{0,5}-%d', optional: true, max: 64}`, i, seed)
		}), "", "f1", "")
	},
	"patterns": func(seed int) string { // each larger than the last
		return heavy(many(60, ", ", func(i int) string {
			class := ""
			if i < 5 {
				class = `\pL`
			}
			return fmt.Sprintf(`f%d: {pattern: '%sa?%d_%d', optional: true, max: 64}`, i, class, seed, i)
		}), "", "f1", "")
	},
	"captures": func(seed int) string {
		return heavy(many(3, ", ", func(i int) string {
			return fmt.Sprintf(`f%d: {pattern: '%s%d_%d', optional: true, max: 64}`, i, strings.Repeat("()", 75), seed, i)
		}), "", "f1", "")
	},
	"layouts": func(seed int) string {
		return heavy("", many(15, ", ", func(i int) string {
			return fmt.Sprintf(`l%d: 'now.format("%d%s")'`, i, seed, strings.Repeat("%d", 2000))
		}), many(15, "+", func(i int) string { return fmt.Sprintf("l%d", i) }), "")
	},
	"conditions": func(int) string {
		return heavy("a: {optional: true, max: 1}, b: {optional: true, max: 1}", many(5, ", ", func(i int) string {
			return fmt.Sprintf("l%d: '%s'", i, joined(58, "&&", "a==b"))
		}), `choose(`+many(5, "&&", func(i int) string { return fmt.Sprintf("l%d", i) })+`, "a", "b")`, "")
	},
	"strings with escapes": func(seed int) string {
		return heavy("", many(15, ", ", func(i int) string {
			return fmt.Sprintf(`l%d: '"\n%d%s"'`, i, seed, strings.Repeat("x", 4050))
		}), many(15, "+", func(i int) string { return fmt.Sprintf("l%d", i) }), "")
	},
	"examples": func(seed int) string {
		return heavy(many(60, ", ", func(i int) string { return fmt.Sprintf("r%d: {optional: true, max: 64}", i) }), "", "r1",
			many(15, "", func(int) string {
				return "  - {secrets: {key: made-up}, now: 2026-01-02T03:04:05Z, uuid: u, want: {X-Sig: x}, request: {" +
					many(60, ", ", func(i int) string { return fmt.Sprintf("r%d: %d%d", i, seed, i) }) + "}}\n"
			}))
	},
	"all of these": func(seed int) string {
		return heavy(many(41, ", ", func(i int) string {
			class := ""
			if i < 5 {
				class = `\pL`
			}
			return fmt.Sprintf(`f%d: {pattern: '%s()()()%d_%d', optional: true, max: 1}`, i, class, seed, i)
		}), many(15, ", ", func(i int) string {
			return fmt.Sprintf(`l%d: '"\n%d%s"'`, i, seed, strings.Repeat("x", 3970))
		})+", "+many(5, ", ", func(i int) string {
			return fmt.Sprintf("k%d: '%s'", i, joined(57, "&&", "f1==f2"))
		}), many(15, "+", func(i int) string { return fmt.Sprintf("l%d", i) })+
			`+ choose(`+many(5, "&&", func(i int) string { return fmt.Sprintf("k%d", i) })+`, "a", "b")`, "")
	},
}

// heap is how much memory is in use.
func heap() int {
	runtime.GC()
	runtime.GC() // what the first one found in use for the last time, such as pools
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}

// kept is how much memory each of some documents holds, with its signer.
func kept(tb testing.TB, count int, write func(seed int) string, parse func(string) (*scheme.Scheme, error)) int {
	tb.Helper()
	before := heap()
	signers := make([]*scheme.Signer, count)
	for i := range signers {
		s, err := parse(write(1_000_000 + i))
		require.NoError(tb, err)
		signers[i], err = s.Signer(scheme.Values{Secrets: map[string]secret.Text{"key": "k"}, BaseURL: "https://api.example"})
		require.NoError(tb, err)
	}
	after := heap()
	runtime.KeepAlive(signers)
	return (after - before) / count
}

func TestMemoryOfTheHeaviestDocuments(t *testing.T) { //nolint:paralleltest // others would change what it measures
	for name, write := range heaviest { //nolint:paralleltest // see above
		t.Run(name, func(t *testing.T) {
			got := kept(t, 20, write, scheme.Parse)
			t.Logf("%d KiB, of a text of %d KiB", got>>10, len(write(0))>>10)
			require.Less(t, got, maxKept)
		})
	}
	// A stored one can be larger, but not by a program of MiBs for each pattern with anchors.
	got := kept(t, 10, func(seed int) string {
		return heavy(many(60, ", ", func(i int) string {
			return fmt.Sprintf(`f%d: {pattern: '^\p{Lu}{0,5}\p{Ll}{0,5}\p{Nd}{0,5}-%d_%d$', optional: true, max: 64}`,
				i, seed, i)
		}), "", "f1", "")
	}, scheme.ParseStored)
	require.Less(t, got, 1<<20)
}

// The parts that pointers have in common are read once, however many pointers there are. What is allocated tells how
// much is read.
func TestReadingAnAnswerIsBounded(t *testing.T) { //nolint:paralleltest // others would change what it measures
	const names, parts = 40, 40
	way := strings.Repeat("/a", parts)
	s, err := scheme.Parse("secrets: {key: {}}\nlogin:\n  path: '\"/login\"'\n  form: {key: key}\n  ttl: 1h\n  answer:\n" +
		many(names, "", func(i int) string { return fmt.Sprintf("    v%d: {pointer: %s/v, max: 1}\n", i, way) }) +
		"headers: {X-Token: v1}\nexamples:\n  - secrets: {key: made-up-key}\n    login:\n" +
		"      want: {path: /login, form: key=made-up-key}\n      answer: \"\"\n      gives: {" +
		many(names, ", ", func(i int) string { return fmt.Sprintf("v%d: x", i) }) + "}\n    want: {X-Token: x}\n")
	require.NoError(t, err)
	signer, err := s.Signer(scheme.Values{
		Secrets: map[string]secret.Text{"key": "canary-key"}, BaseURL: "https://api.example",
	})
	require.NoError(t, err)
	call, err := signer.Login(scheme.Moment{})
	require.NoError(t, err)
	body := strings.Repeat(`{"a":`, parts) + `{"v":"x","filler":"` + strings.Repeat("x", 200<<10) + `"}` +
		strings.Repeat("}", parts)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	gives, err := call.Read(scheme.LoginAnswer{Body: []byte(body)})
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	require.Len(t, gives.Values, names)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8*parts*len(body)))
}

// BenchmarkMemory measures a thousand of each of the heaviest documents.
func BenchmarkMemory(b *testing.B) {
	for name, write := range heaviest {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				got := kept(b, 1000, write, scheme.Parse)
				b.ReportMetric(float64(got)*1000/(1<<20), "MiB/1000")
				require.Less(b, got, maxKept)
			}
		})
	}
}
