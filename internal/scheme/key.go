package scheme

import (
	"fmt"
	"slices"
	"strings"
)

// keys are the secrets and derived keys of a scheme, by their numbers, and what they flow into without a hash. They are
// kept apart so that no caller can ask for a derived key.
type keys struct {
	numbers map[string]int
	// made are the derived keys.
	made map[int]derivation
	// intoDerive are those that others are derived from, and intoHash the refusals of those that are hashed in public.
	intoDerive []int
	intoHash   map[int]refusal
	// uses are those that flow into a public hash, by its name, or into the key of an hmac_ with its hash undone.
	uses map[string][]int
	// chosen are the derived keys that are derived from what begins with a request field, or from one of these.
	chosen map[int]bool
	// longKeys are those of an hmac_, and derivingKeys those of a derive_hmac_.
	longKeys, derivingKeys []conflict
}

// derivation is what a derived key is made with and of.
type derivation struct {
	function string
	direct   []int
}

// conflict is keys that may not have a use, because they have another one.
type conflict struct {
	keys []int
	use  string
	// err is what is wrong if they have it. newer says that earlier versions let it pass.
	err   refusal
	newer bool
}

func newKeys() keys {
	return keys{
		numbers: map[string]int{}, made: map[int]derivation{}, intoHash: map[int]refusal{}, uses: map[string][]int{},
		chosen: map[int]bool{},
	}
}

// number gives a secret or a derived key its number. Derived keys of the same function and the same secrets count as
// one, whatever else they are made of: a caller might make the rest equal.
func (k *keys) number(name string) int {
	if number, known := k.numbers[name]; known {
		return number
	}
	k.numbers[name] = len(k.numbers)
	return k.numbers[name]
}

// use notes that keys flow into something.
func (k *keys) use(use string, keys []int) { k.uses[use] = union(k.uses[use], keys) }

// hashed notes the keys that flow into a hash whose result is public.
func (k *keys) hashed(at call, arg operand) {
	for _, key := range arg.direct {
		if _, known := k.intoHash[key]; !known {
			k.intoHash[key] = at.refuse(arg.node, "a secret or a derived key that flows into a derive_ function cannot flow "+
				"into a hash or an hmac_ too: a caller could ask for the derived key; use two secrets, or derive both keys")
		}
	}
}

// derived notes a derived key, which is as fresh as by. It is as long as its hash, so its padding as a key tells
// nothing: it does not count as one that varies.
func (k *keys) derived(at call, args []operand, by facts) facts {
	direct := union(args[0].direct, args[len(args)-1].direct)
	k.intoDerive = union(k.intoDerive, direct)
	made := direct
	if h, isHMAC := strings.CutPrefix(at.function.name, "derive_hmac_"); isHMAC {
		made = k.unhashed(h, direct)
	}
	number := k.number(fmt.Sprint(at.function.name, made))
	k.made[number] = derivation{at.function.name, direct}
	first := by.first.or(args[0].first).hashed()
	k.chosen[number] = k.chosen[number] || first.digestOfRequest ||
		slices.ContainsFunc(direct, func(from int) bool { return k.chosen[from] })
	return facts{
		ofSecret:  true,
		changes:   true,
		fresh:     by.fresh,
		requested: by.requested,
		min:       1,
		direct:    []int{number},
		raw:       []int{number},
		unescaped: true,
		given:     args[0].given || args[len(args)-1].given,
		first:     first,
	}
}

// unhashed replaces the keys among some that derive_<hash> made by what they are made of. HMAC hashes keys that are
// longer than a block, so a long key and its hash give the same.
func (k *keys) unhashed(hash string, direct []int) []int {
	var made []int
	seen := map[int]bool{} // keys can be made of the same ones in very many ways
	for rest := slices.Clone(direct); len(rest) > 0; {
		number := rest[len(rest)-1]
		rest = rest[:len(rest)-1]
		switch from := k.made[number]; {
		case seen[number]:
		case from.function == "derive_"+hash:
			rest = append(rest, from.direct...)
		default:
			made = append(made, number)
		}
		seen[number] = true
	}
	slices.Sort(made)
	return made
}

// checkApart refuses a scheme in which keys have a use that they may not have.
func (k *keys) checkApart(newer *newerRules) {
	for _, key := range k.intoDerive {
		if refused, is := k.intoHash[key]; is {
			panic(refused)
		}
	}
	for _, conflict := range slices.Concat(k.longKeys, k.derivingKeys) {
		switch {
		case !meet(conflict.keys, k.uses[conflict.use]):
		case conflict.newer:
			newer.refuse(conflict.err)
		default:
			panic(conflict.err)
		}
	}
}

// meet reports whether two sorted sets have a member in common.
func meet(a, b []int) bool {
	return slices.ContainsFunc(a, func(member int) bool {
		_, found := slices.BinarySearch(b, member)
		return found
	})
}

// union joins two sorted sets.
func union(a, b []int) []int {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	return slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(a), b...))))
}
