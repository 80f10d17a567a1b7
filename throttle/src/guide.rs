//! Promises, their proof, costs, and how to choose.
//!
//! Documentation alone: there is nothing in this module to call.
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
//! | as it is by default | <= b + r·(w + S) |
//! | with leases of life L | <= b + r·(w + L + S), and in all never more than was charged |
//! | with a policy of `{"local": "p"}`, while the table fails, n instances | in addition, <= n·max(1, p·b) + n·p·r·w |
//! | with a policy of `"open"`, while the table fails | unbounded |
//!
//! With S = 0 that is b + r·w: what one bucket in one process would let through. It holds
//! after any idle time, and for any pattern of arrivals. A quota of a period is a counter in
//! the same write: it never exceeds the limit, even if clocks are wrong. Operators'
//! grants, [grant](crate::Buckets::grant) is taken off the counter, and so adds to the limit. A
//! [settlement](crate::Throttle::settle) beyond what was charged is the exception, and says so.
//!
//! The same holds for each meter of a plan by itself. With settlements after the fact, the amount
//! in w is <= b + r·(w + S) + the overruns of requests in flight: those that were admitted in the
//! window, and whose settlement above the reservation is still to come when it ends (I15).
//!
//! A request within [parents](crate::Request::within) is admitted only if each level admits it, and
//! each level keeps the bound of its own plan. Parents are leased by demand, with a life L of 1
//! second: admitted at a parent in w is <= b + r·(w + 1 s + S). A charge that another level's refusal
//! gives back is a refund, or goes back into the lease that it came from. A new lease is taken only
//! once every level without a lease has admitted the request.
//!
//! # Proof
//!
//! **I1, without leases.** All of a rate's state is `tat`, the moment at which the bucket will
//! be full again; T = 1/r, rounded up. A write that admits a request of cost c at the moment n,
//! as its instance's clock tells, is conditional on max(`tat`, n) + cT <= n + bT, and sets `tat`
//! to max(`tat`, n) + cT. The table serializes the writes of one item, so there is an order of
//! commits, and each write sees what the one before left. Take the admissions of a window in
//! that order, with clock readings n₁ … nₖ and costs c₁ … cₖ. The first leaves
//! `tat` >= n₁ + c₁T, each later one moves `tat` on by at least cᵢT, and nothing but a refund
//! moves it back. So after the last, n₁ + (c₁ + … + cₖ)T <= `tat` <= nₖ + bT, from which
//! c₁ + … + cₖ <= b + (nₖ − n₁)/T. Of two readings whose writes commit within w of each other,
//! one is later than the other by at most w + S. A refund takes out no more than what is
//! still waiting to be served in front of its own mark: `tat` is then no earlier than if that
//! part had never been charged ([`Receipt`](crate::Receipt)).
//!
//! **I15, with settlements.** A settlement above the reservation moves `tat` on by the overrun, as a
//! charge does, without a condition. An admission after it sees that `tat`, so in the sum above the
//! overruns that are settled count as charges. Those of requests in flight come on top.
//!
//! A write can't compute a maximum and condition on it at once, so there are two forms: *idle*
//! (`tat <= n`, sets n + cT) and *busy* (`n < tat <= n + (b − c)T`, adds cT). Their conditions
//! exclude each other, and together they say what is said above. Without the lower bound of
//! the second, unused time of long ago would be given out again, on top of the burst.
//!
//! **I2, with leases.** A lease of k tokens is one charge of k, so I1 holds for charges. Each
//! token is used once, by one lock, within L of a moment before its charge was sent. So what
//! is admitted in a window of w was charged within the window of w + L that ends with it, and
//! I1 for that window is the bound. Unused tokens were charged all the same.
//!
//! **I14, with several plans of one subject.** Two keys, or two tokens with different claims, can
//! give one subject several plans. They share its bucket, and the bound is b + r·(w + S) with the
//! largest burst and the largest rate of them. The bucket is under one plan at a time. A request
//! under another plan takes the bucket over if that plan was changed more than ten seconds ago,
//! or if it is refused and its own rate is the faster one. Otherwise it is charged as a guest: it
//! moves the `tat` that is there, at the rate that is there, and must fit its own burst. What is
//! owed is one number of tokens, which each admission raises by its cost and which sinks no faster
//! than the largest rate. A change keeps that number, rounded up.
//!
//! So after a downgrade, what is owed sinks at the old rate until the first request is admitted
//! under the new plan. After a new version of a plan it sinks at the new rate at once.
//!
//! # Skewed clocks
//!
//! An instance whose clock is *behind* refuses what would fit, by as much as it is behind. One
//! that is *ahead* by s can admit r·s tokens early: they are missing afterwards, so it is a
//! shift and no gain, and only once, not each second. AWS keeps its clocks within milliseconds,
//! which at a thousand a second is a few requests. A quota's period begins by the clock of the
//! instance that decides; its counter is named after the period, so two instances that
//! disagree about midnight count into two counters, and neither exceeds its limit.
//!
//! # Remembered state
//!
//! A refusal may be repeated from memory for up to a second, with its wait. If
//! a refund came in between, that is wrong for as long. Nothing that is remembered admits.
//! If a parent had less free than an instance wanted, this instance asks again after 385 ms at the
//! earliest. Once it has used that up it refuses until then, although tokens are refilled meanwhile.
//! A rate, burst or quota of 0 refuses every request without a call, even while the table fails,
//! and without a time to wait. Requests under a plan without limits are counted by day.
//! Plans are read again after a minute, so that is how long an old plan may decide. A bucket
//! that has met the new version tells every instance with the old one to read it again, at the
//! next write. What is owed is kept, in tokens, when a plan changes.
//!
//! # The table's items
//!
//! A bucket's item shows the use of the current day and of 31 days, 12 weeks and 12 months before
//! it. Each answer names the counters that are older, and the next write removes them. So that a
//! write never costs more than one unit, the item stays below 1 KB: if long names, many methods or
//! large counts need the room, the oldest counters of the history go too. Named meters need room
//! for counters of their own, so fewer days of history remain. If an instance that knows nothing
//! finds the item nearly full, it makes one more write to clean up, which is about one write in
//! eight days for a subject that comes once a day. A subject's name of more than 128 bytes
//! is replaced in the key by its SHA-256 and its last 40 bytes, such as `sha256-ba78…~user-7`, which
//! is what listings show.
//!
//! # Costs
//!
//! A call is one UpdateItem of an item below 1 KB: one write unit, also when its condition fails.
//! A decision takes about one. On demand, a million write units cost $0.625 in us-east-1 (AWS's
//! price list as read in November 2026; storage and the function's own time come on top). The
//! calls are those that `cargo run --release -p tollgate-throttle --example calls` counts: Poisson
//! arrivals at so much of a rate of 10 a second, on a clock that is moved by hand.
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
//! thousand writes a second, by DynamoDB's own limit: that is where leases stop being an option.
//!
//! # When to lease
//!
//! Use leases if instances are few and busy, if the subject's limits are far above one instance's
//! requests per second, and if a request may come up to L late. Do not use them if a burst is
//! below a few dozen tokens (a quarter of it is too little), or if each token of a quota is paid
//! for (an instance that falls idle or ends loses up to a lease of it).
//! Lambda runs one request at a time in each instance, so an instance seldom sees 32 a second
//! for one subject; there leases do nothing, and cost nothing. See [`Leases`](crate::Leases).
//!
//! # While the table fails
//!
//! A call has a time-out (500 ms by default, connecting included). A call without an answer may have been charged:
//! nothing is admitted that wasn't charged. Such a call is repeated once, on a new connection, only
//! if a keep-alive connection broke before any byte of the answer. Otherwise each thaw of a Lambda
//! could cost a request, because its connections can be reset while it is frozen. The repetition
//! counts as a call, and the token that it may charge twice is never given back. A throttled write surely
//! wasn't applied, and isn't repeated either: it would add to what the item has too much of. After
//! five failures in a row the table is left alone for a second, so that requests fail at once
//! instead of after 500 ms, and then one call tries. A single throttled subject doesn't count
//! again and again: a hot key is not an outage.
//!
//! If DynamoDB says that it throttles this one item (`…KeyRangeThroughputExceeded`), or if the item
//! changed at each of six tries, the subject itself is in too much demand. Its request is refused
//! under every policy, by [`Limit::CONTENTION`](crate::Limit::CONTENTION), with a wait of one second.
//!
//! A plan says what is answered then ([`FailurePolicy`](crate::FailurePolicy)):
//! - `closed`, the default: no decision. Choose it where what lies behind must be protected.
//! - `open`: yes. Choose it where an outage of the limits must not become one of the service.
//! - `{"local": "1/10"}`: each instance by itself, by a share. With n instances, 1/n keeps to
//!   the plan as a whole. Choose it where neither of the others will do and n is known roughly.
//!
//! Plans are known for a day after they were last read, so that the policy can be. A table
//! that doesn't exist or refuses access is an error under all three. What was admitted without
//! the table is not charged to it afterwards, and each such decision says
//! [`is_degraded`](crate::Decision::is_degraded).
//!
//! # Regions
//!
//! A DynamoDB global table with eventual consistency (MREC) is last-writer-wins: two Regions that
//! decide for one subject overwrite each other, and up to twice the limit passes. So give each
//! Region a budget of its own: either a table of its own, or in one global table a bucket of its
//! own, `BUCKET#region#subject` ([`DynamoStore::region`](crate::DynamoStore::region)). Each
//! then admits what the plan says, so over n Regions the bounds above hold n times; divide the
//! plan's numbers so that they add up to the limit. A caller that is sent from one Region to
//! another finds a full bucket there, once.
//!
//! A global table with strong consistency (MRSC) checks conditions across Regions, so one bucket
//! does for all and the promise holds as it stands: S grows by the spread of the Regions'
//! clocks and by the latency of a write to another Region, for which the time-out must leave
//! room. It has no TTL, so buckets of subjects that never return, and revocations, stay until
//! somebody deletes them; nothing here relies on a deletion, nor on transactions, which it lacks
//! too. MRSC was not tried on AWS by this project.
