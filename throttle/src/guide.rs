//! Promises, their proof, costs, and how to choose.
//!
//! This module is documentation only.
//!
//! # Promises
//!
//! Let a plan have a rate of r tokens a second and a burst of b. Let S be the greatest
//! difference between the clocks of any two instances at one moment, plus the longest time
//! from reading a clock to the write's commit. In *every* window of w seconds, wherever it
//! begins, over any number of instances:
//!
//! | | admitted in w |
//! |---|---|
//! | by default | <= b + r·(w + S) |
//! | with leases of life L | <= b + r·(w + L + S), and in total never more than was charged |
//! | with a policy of `{"local": "p"}`, while the table fails, n instances | in addition, <= n·max(1, p·b) + n·p·r·w |
//! | with a policy of `"open"`, while the table fails | unbounded |
//!
//! With S = 0 the bound is b + r·w, as for one bucket in one process. It holds after any idle time,
//! and for any pattern of arrivals. A quota of a period is a counter in the same write: it never
//! exceeds the limit, even if clocks are wrong. An operator's [grant](crate::Buckets::grant) is
//! subtracted from the counter, and so adds to the limit. Only a
//! [settlement](crate::Throttle::settle) above what was charged can take a counter over its limit.
//!
//! The same holds for each meter of a plan separately. With settlements after the fact, the amount
//! in w is <= b + r·(w + S) + the overruns of requests in flight: those that were admitted in the
//! window, and are settled above their reservation only after it ends (I15).
//!
//! A request within [parents](crate::Request::within) is admitted only if each level admits it, and
//! each level keeps the bound of its own plan. Parents are leased by demand, with a life L of 1
//! second: admitted at a parent in w is <= b + r·(w + 1 s + S). If a level refuses, the other
//! levels' charges are refunded, or go back into the leases that they came from. A new lease is
//! taken only after every level without a lease has admitted the request.
//!
//! # Proof
//!
//! **I1, without leases.** All of a rate's state is `tat`, the moment at which the bucket will
//! be full again; T = 1/r, rounded up. A write that admits a request of cost c at the moment n, by
//! its instance's clock, is conditional on max(`tat`, n) + cT <= n + bT, and sets `tat` to
//! max(`tat`, n) + cT. The table serializes the writes of one item, so commits have an order, and
//! each write sees the result of the one before. Take the admissions of a window in that order,
//! with clock readings n₁ … nₖ and costs c₁ … cₖ. The first leaves `tat` >= n₁ + c₁T, each later
//! one moves `tat` on by at least cᵢT, and nothing but a refund moves it back. So after the last,
//! n₁ + (c₁ + … + cₖ)T <= `tat` <= nₖ + bT, from which c₁ + … + cₖ <= b + (nₖ − n₁)/T. Of two
//! readings whose writes commit within w of each other, one is later than the other by at most w +
//! S. A refund moves `tat` back by no more than the time left until its mark, the `tat` that its
//! own charge set: `tat` is then no earlier than if that part had never been charged
//! ([`Receipt`](crate::Receipt)).
//!
//! **I15, with settlements.** A settlement above the reservation moves `tat` on by the overrun, as a
//! charge does, without a condition. An admission after it sees that `tat`, so in the sum above the
//! overruns that are settled count as charges. Those of requests in flight come on top.
//!
//! A write can't compute a maximum and condition on it at once, so there are two forms: *idle*
//! (`tat <= n`, sets n + cT) and *busy* (`n < tat <= n + (b − c)T`, adds cT). Their conditions
//! exclude each other, and together they are the condition above. Without the lower bound of the
//! *busy* form, time that passed unused long ago would be given out again, on top of the burst.
//!
//! **I2, with leases.** A lease of k tokens is one charge of k, so I1 holds for charges. Each
//! token is used once, by one lock, within L of a moment before its charge was sent. So what
//! is admitted in a window of w was charged within the window of w + L that ends with it, and
//! I1 for that window is the bound. Unused tokens stay charged.
//!
//! **I14, with several plans of one subject.** Two keys, or two tokens with different claims, can
//! give one subject several plans. These plans share the subject's bucket, and the bound is b +
//! r·(w + S) with the largest burst and the largest rate among them. The bucket is under one plan
//! at a time. A request under another plan takes the bucket over if that plan was changed more than
//! ten seconds ago, or if it is refused and its own rate is the faster one. Otherwise it is charged
//! as a guest: it moves the bucket's `tat` at the bucket's rate, and must fit its own plan's burst.
//! The debt is one number of tokens. Each admission raises it by its cost, and it shrinks no faster
//! than the largest rate. A change of plan keeps that number, rounded up.
//!
//! The counters of quotas are shared too: each plan compares the same count with its own limit. Two
//! plans that are meant to be independent need two subjects. In the layer, `Limits::name` makes them:
//! `#search#maria` and `#export#maria`.
//!
//! So after a downgrade, the debt shrinks at the old rate until the first request is admitted under
//! the new plan. After a new version of a plan, it shrinks at the new rate at once.
//!
//! # Skewed clocks
//!
//! An instance whose clock is *behind* by s refuses requests that would fit for up to s. An
//! instance that is *ahead* by s can admit r·s tokens early. Those tokens are missing afterwards,
//! so the total does not grow, and this happens once, not each second. AWS keeps its clocks within
//! milliseconds. At a thousand requests a second that is a few requests. A quota's period begins by
//! the clock of the instance that decides; its counter is named after the period, so two instances
//! that disagree about midnight count into two counters, and neither exceeds its limit.
//!
//! # Remembered state
//!
//! An instance may repeat a refusal from memory for up to a second, with its wait. During that time
//! it does not notice a refund. A remembered state never admits a request. If a parent had fewer
//! free tokens than an instance wanted, the instance asks again after 385 ms at the earliest. Once
//! it has used up what it got, it refuses until then, although the parent is refilled in the
//! meantime. A rate, burst or quota of 0 refuses every request without a call, even while the table
//! fails, and without a time to wait. Requests under a plan without limits are counted by day.
//! Plans are read again after a minute, so an old plan may decide for that long. If a bucket has
//! already been charged under the new version, an instance with the old one notices at its next
//! write and reads the plan again. When a plan changes, the debt is kept, in tokens.
//!
//! # The table's items
//!
//! A bucket's item shows the use of the current day and of 31 days, 12 weeks and 12 months before
//! it. Each answer of the table shows the counters that are older, and the next write removes them.
//! The item stays below 1 KB, so that a write never costs more than one unit. If long names, many
//! methods or large counts need the room, the oldest counters of the history are removed too. Named
//! meters need room for counters of their own, so fewer days of history remain. If an instance that
//! has not seen the bucket before finds its item nearly full, it makes one more write to clean up.
//! For a subject that comes once a day, that is about one write in eight days. If a subject's name
//! has more than 128 bytes, the key and the listings have its SHA-256 and its last 40 bytes
//! instead, such as `sha256-ba78…~user-7`.
//!
//! # Costs
//!
//! A call is one UpdateItem of an item below 1 KB: one write unit, also when its condition fails.
//! A decision takes about one. On demand, a million write units cost $0.625 in us-east-1 (AWS's
//! price list as read in November 2026; storage and the function's own time come on top).
//! `cargo run --release -p tollgate-throttle --example calls` counts the calls: Poisson arrivals at
//! a part of a rate of 10 a second, on a simulated clock.
//!
//! | one subject | calls a decision | $ a million decisions |
//! |---|---|---|
//! | anything below its rate, one instance | 1.00 to 1.02 | 0.63 to 0.64 |
//! | 32 instances at 0.1, or at 0.9 and more, of the rate | 0.98 to 1.10 | 0.62 to 0.69 |
//! | 32 instances at 0.3 or 0.7 of the rate | 1.29 | 0.81 |
//! | 32 instances at 0.5 of the rate, the worst | 1.48 | 0.93 |
//! | the same with a slack of a twentieth of the burst, at the worst | 1.10 | 0.69 |
//! | 1.5 times its rate, one instance: the rest is refused from memory | 0.66 | 0.41 |
//! | 10 a second, with leases | 1.00 | 0.63 |
//! | 1,000 a second, with leases, burst of 200 and rate of 1,200 | 0.05 at most | 0.03 |
//! | a refusal from memory, or a request that a lease serves | 0 | 0 |
//!
//! Ten requests a second around the clock are 26 million a month: $16 strict. A thousand a
//! second are 2.6 billion: $1,640 strict, $82 at most with leases. One item takes at most a
//! thousand writes a second, by DynamoDB's own limit: above that, leases are necessary.
//!
//! # When to lease
//!
//! Use leases if instances are few and busy, if the subject's limits are far above one instance's
//! requests per second, and if a request may be admitted up to L late. Do not use them if a burst
//! is below a few dozen tokens (a lease takes at most a quarter of it), or if each token of a quota
//! is paid for (an instance that becomes idle or ends loses up to one lease of it). Lambda runs one
//! request at a time in each instance, so an instance seldom sees 32 requests a second for one
//! subject. Leases then have no effect and no cost. See [`Leases`](crate::Leases).
//!
//! # While the table fails
//!
//! A call has a time-out (500 ms by default, connecting included). A call without an answer may
//! have been charged, but no request is admitted without a charge. Such a call is repeated in one
//! case: if a keep-alive connection broke before any byte of the answer, it is sent once more on a
//! new connection. Without this, each thaw of a Lambda could cost a request, because its
//! connections can be reset while it is frozen. The repetition counts as a call, and the token that
//! it may charge twice is never given back. A throttled write was not applied and is not repeated,
//! because that would add load to a busy item. After five failures in a row no call is made for a
//! second, so that requests fail at once instead of after 500 ms. Then one call tries. Repeated
//! throttling of a single subject counts only once, because a hot key is not an outage.
//!
//! If DynamoDB says that it throttles this one item (`…KeyRangeThroughputExceeded`), or if the item
//! changed at each of six tries, the subject itself gets too many requests. The request is refused
//! under every policy, by [`Limit::CONTENTION`](crate::Limit::CONTENTION), with a wait of one
//! second.
//!
//! The plan's [`FailurePolicy`](crate::FailurePolicy) decides what happens to a request while the
//! table fails:
//! - `closed`, the default: an error, no decision. Choose it if the service behind needs
//!   protection.
//! - `open`: the request is allowed. Choose it if an outage of the limits must not become an outage
//!   of the service.
//! - `{"local": "1/10"}`: each instance enforces that share of the plan by itself. With n
//!   instances, a share of 1/n enforces the whole plan. Choose it if neither of the others fits and
//!   you roughly know n.
//!
//! Plans are cached for a day after they were last read, so that their failure policies are known.
//! A table that doesn't exist or denies access is an error under all three. Requests that were
//! admitted without the table are not charged afterwards. For such a decision,
//! [`is_degraded`](crate::Decision::is_degraded) is true.
//!
//! # Regions
//!
//! A DynamoDB global table with eventual consistency (MREC) keeps the last write: two Regions that
//! decide for one subject overwrite each other, and up to twice the limit passes. So give each
//! Region a separate budget: either its own table, or its own buckets in one global table,
//! `BUCKET#region#subject` ([`DynamoStore::region`](crate::DynamoStore::region)). Each Region then
//! admits what the plan says, so n Regions together admit up to n times the bounds above. Divide
//! the plan's numbers so that they add up to the limit. A caller that moves from one Region to
//! another finds a full bucket there, once.
//!
//! A global table with strong consistency (MRSC) checks conditions across Regions, so one bucket
//! serves all Regions and the promise holds: S grows by the spread of the Regions' clocks and by
//! the latency of a write to another Region. The time-out must leave room for that latency. Such a
//! table has no TTL, so buckets of subjects that never return, and revocations, stay until an
//! operator deletes them. Tollgate relies neither on deletions nor on transactions, which such a
//! table lacks too. MRSC was not tried on AWS.
