package scheme

import "time"

// facts are what is known of an expression's value before it has one. They never depend on a value, so that they hold
// for every signing.
type facts struct {
	kind kind
	// pair is what kind of key pair a private key is of.
	pair keyKind
	// max is the size of the largest value in bytes, by what the document declares. min is 0 or 1: whether the value can
	// be empty.
	max, min int

	// ofSecret says that a secret flows into the value, hashed or not.
	ofSecret bool
	// ofPublicKey says that the public key of a key pair flows into the value. It is public, but is not compared.
	ofPublicKey bool
	// direct are the secrets and derived keys that flow into the value without a hash, by their numbers; see keys.
	direct []int
	// utf8 says that a secret is UTF-8 text: it is declared so, or is joined of such secrets and strings.
	utf8 bool

	// raw are those of direct that stand in the value as they are, or escaped by json. unescaped says that one stands
	// there as it is.
	raw       []int
	unescaped bool
	// given says that what a login gives flows into the value, hashed or not.
	given bool
	// digest says that a digest or a signature flows into the value.
	digest bool

	// bare says that the value is an encoding, whose characters json leaves as they are.
	bare bool
	// unreserved says that percent_encode leaves the value as it is.
	unreserved bool
	// zeros says that the value may have a byte 0 that is not a secret's.
	zeros bool

	// fresh says that the value differs from one signing to the next, or from one second to the next.
	fresh bool
	// requested says that a request field flows into the value that cannot be empty and has two values at least.
	requested bool
	// distinct is requested for a field of which two values differ in more than order, separators and escapes.
	distinct bool
	// stale says that the value has a digest in it of a secret and nothing fresh.
	stale bool
	// varies says that the value or its length depends on a request field, now, uuid or nonce, perhaps by a condition.
	varies bool
	// changes says that a request field, now, uuid, nonce or a secret flows into the value itself: it is not made of
	// literals, fields of the config and base_url only.
	changes bool

	// How the value begins and ends, where parts that can be empty count as absent too.
	begin, end edge
	endsPublic bool // with something public
	// lastRequest says that the last part of the value that changes is a request field as it is.
	lastRequest bool
	// first is what the value can begin with, encoded or not.
	first opening
	// escapes says that a request field flows into the value, as it is or percent-encoded, that can have an encoded & or
	// = in it. separates says that one flows into it as it is that can have a &, = or %.
	escapes, separates bool

	// address says that the value is base_url or a field that is an address.
	address bool
	// offset is how far a timestamp is from now.
	offset time.Duration
}

// opening is what a value can begin with, or be: a request field, a digest or derived key, and one of what begins with
// a request field itself.
type opening struct{ request, digest, digestOfRequest bool }

func (o opening) or(other opening) opening {
	return opening{
		o.request || other.request, o.digest || other.digest, o.digestOfRequest || other.digestOfRequest,
	}
}

// hashed is the opening of a digest of a value, or of a key that is derived from it.
func (o opening) hashed() opening {
	return opening{digest: true, digestOfRequest: o.request || o.digestOfRequest}
}

// join is what holds for a value that is made of others.
func join(parts ...facts) facts {
	var joined facts
	for _, part := range parts {
		joined.max += part.max
		joined.min = max(joined.min, part.min)
		joined.ofSecret = joined.ofSecret || part.ofSecret
		joined.ofPublicKey = joined.ofPublicKey || part.ofPublicKey
		joined.fresh = joined.fresh || part.fresh
		joined.requested = joined.requested || part.requested
		joined.distinct = joined.distinct || part.distinct
		joined.stale = joined.stale || part.stale
		joined.varies = joined.varies || part.varies
		joined.changes = joined.changes || part.changes
		joined.zeros = joined.zeros || part.zeros
		joined.escapes = joined.escapes || part.escapes
		joined.separates = joined.separates || part.separates
		joined.direct = union(joined.direct, part.direct)
		joined.raw = union(joined.raw, part.raw)
		joined.unescaped = joined.unescaped || part.unescaped
		joined.given = joined.given || part.given
		joined.digest = joined.digest || part.digest
	}
	return joined
}

// concatenate is join for two parts that stand beside one another.
func concatenate(left, right facts) facts {
	joined := join(left, right)
	joined.utf8 = (left.kind != kindSecret || left.utf8) && (right.kind != kindSecret || right.utf8) &&
		left.kind != kindBytes && right.kind != kindBytes
	joined.endsPublic = right.endsPublic || right.min == 0 && left.endsPublic
	joined.lastRequest = right.lastRequest || (!right.changes || right.min == 0) && left.lastRequest
	joined.unreserved = left.unreserved && right.unreserved
	joined.begin, joined.end, joined.first = left.begin, right.end, left.first
	if left.min == 0 {
		joined.begin, joined.first = joined.begin.or(right.begin), joined.first.or(right.first)
	}
	if right.min == 0 {
		joined.end = joined.end.or(left.end)
	}
	return joined
}

// either is what holds for a value that is one of two.
func either(a, b facts) facts {
	both := join(a, b)
	both.max, both.min = max(a.max, b.max), min(a.min, b.min)
	both.fresh, both.requested = a.fresh && b.fresh, a.requested && b.requested
	both.distinct = a.distinct && b.distinct
	both.unreserved = a.unreserved && b.unreserved
	both.endsPublic = a.endsPublic || b.endsPublic
	both.lastRequest = a.lastRequest || b.lastRequest
	both.first = a.first.or(b.first)
	both.begin, both.end = a.begin.or(b.begin), a.end.or(b.end)
	return both
}
