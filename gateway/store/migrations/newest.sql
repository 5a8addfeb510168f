-- What the migrations make; written by gateway.store.revision.
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE balance (
	app TEXT NOT NULL,
	segments INTEGER NOT NULL,
	PRIMARY KEY (app)
)
 WITHOUT ROWID;
CREATE TABLE balance_entry (
	app TEXT NOT NULL,
	at INTEGER NOT NULL,
	kind TEXT NOT NULL,
	segments INTEGER NOT NULL,
	who TEXT,
	note TEXT,
	PRIMARY KEY (app, at, kind)
)
 WITHOUT ROWID;
CREATE TABLE carrier_state (
	carrier TEXT NOT NULL,
	"key" TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (carrier, "key")
)
 WITHOUT ROWID;
CREATE TABLE consent (
	peer TEXT NOT NULL,
	class SMALLINT NOT NULL,
	scope TEXT NOT NULL,
	at INTEGER NOT NULL,
	how TEXT NOT NULL,
	change_id INTEGER NOT NULL,
	PRIMARY KEY (peer, class, scope)
)
 WITHOUT ROWID;
CREATE TABLE consent_asked (
	peer TEXT NOT NULL,
	number TEXT NOT NULL,
	opt_in TEXT NOT NULL,
	at INTEGER NOT NULL,
	until INTEGER NOT NULL,
	classes TEXT NOT NULL,
	scope TEXT NOT NULL,
	wording BLOB NOT NULL,
	PRIMARY KEY (peer, number, opt_in)
)
 WITHOUT ROWID;
CREATE TABLE consent_change (
	id INTEGER NOT NULL,
	peer TEXT NOT NULL,
	class SMALLINT NOT NULL,
	scope TEXT NOT NULL,
	change TEXT NOT NULL,
	at INTEGER NOT NULL,
	how TEXT NOT NULL,
	who TEXT,
	opt_in TEXT,
	wording BLOB,
	number TEXT,
	message_id INTEGER,
	text TEXT,
	PRIMARY KEY (id)
);
CREATE TABLE consent_wording (
	"key" BLOB NOT NULL,
	version TEXT,
	text TEXT NOT NULL,
	PRIMARY KEY ("key")
);
CREATE TABLE cursor (
	stream INTEGER NOT NULL,
	acked INTEGER NOT NULL,
	sparse TEXT,
	PRIMARY KEY (stream)
);
CREATE TABLE event (
	stream INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	at INTEGER NOT NULL,
	kind TEXT NOT NULL,
	subject INTEGER NOT NULL,
	payload BLOB NOT NULL,
	PRIMARY KEY (stream, seq)
)
 WITHOUT ROWID;
CREATE TABLE handler_pause (
	stream INTEGER NOT NULL,
	at INTEGER NOT NULL,
	tried INTEGER NOT NULL,
	error TEXT NOT NULL,
	target TEXT NOT NULL,
	PRIMARY KEY (stream)
);
CREATE TABLE inbound (
	id INTEGER NOT NULL,
	carrier TEXT NOT NULL,
	number TEXT NOT NULL,
	peer TEXT NOT NULL,
	text TEXT,
	data BLOB,
	encoding TEXT NOT NULL,
	parts SMALLINT NOT NULL,
	complete SMALLINT NOT NULL,
	extra TEXT,
	PRIMARY KEY (id)
);
CREATE TABLE lease (
	kind TEXT NOT NULL,
	carrier TEXT NOT NULL,
	shard SMALLINT NOT NULL,
	node SMALLINT NOT NULL,
	epoch INTEGER NOT NULL,
	until INTEGER NOT NULL,
	PRIMARY KEY (kind, carrier, shard)
)
 WITHOUT ROWID;
CREATE TABLE message (
	id INTEGER NOT NULL,
	app TEXT NOT NULL,
	number TEXT NOT NULL,
	peer TEXT NOT NULL,
	class SMALLINT NOT NULL,
	body BLOB,
	meta TEXT,
	ref TEXT,
	encoding TEXT NOT NULL,
	options TEXT,
	scheme TEXT NOT NULL,
	concat_ref INTEGER NOT NULL,
	parts SMALLINT NOT NULL,
	receipt SMALLINT NOT NULL,
	expires_at INTEGER NOT NULL, door TEXT, route TEXT, tried TEXT, air SMALLINT, charged SMALLINT,
	PRIMARY KEY (id)
);
CREATE TABLE mo_message (
	id INTEGER NOT NULL,
	peer TEXT NOT NULL,
	number TEXT NOT NULL,
	ref INTEGER NOT NULL,
	total SMALLINT NOT NULL,
	units INTEGER NOT NULL,
	received_at INTEGER NOT NULL,
	told BLOB NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE mo_part (
	message_id INTEGER NOT NULL,
	part SMALLINT NOT NULL,
	scheme TEXT NOT NULL,
	carrier TEXT NOT NULL,
	received_at INTEGER NOT NULL,
	data BLOB NOT NULL,
	data_coding SMALLINT NOT NULL,
	extra TEXT,
	PRIMARY KEY (message_id, part)
)
 WITHOUT ROWID;
CREATE TABLE optout (
	peer TEXT NOT NULL,
	scope TEXT NOT NULL,
	at INTEGER NOT NULL,
	how TEXT NOT NULL,
	message_id INTEGER,
	keyword TEXT,
	PRIMARY KEY (peer, scope)
)
 WITHOUT ROWID;
CREATE TABLE optout_change (
	id INTEGER NOT NULL,
	peer TEXT NOT NULL,
	scope TEXT NOT NULL,
	change TEXT NOT NULL,
	how TEXT NOT NULL,
	who TEXT,
	number TEXT,
	message_id INTEGER,
	keyword TEXT,
	text TEXT,
	PRIMARY KEY (id)
);
CREATE TABLE parked_receipt (
	id INTEGER NOT NULL,
	carrier TEXT NOT NULL,
	"key" TEXT NOT NULL,
	receipt BLOB NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE peer (
	address TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	name TEXT,
	fields TEXT,
	lists TEXT,
	same_as TEXT,
	PRIMARY KEY (address)
)
 WITHOUT ROWID;
CREATE TABLE prefix_use (
	app TEXT NOT NULL,
	prefix TEXT NOT NULL,
	step INTEGER NOT NULL,
	segments INTEGER NOT NULL,
	PRIMARY KEY (app, prefix, step)
)
 WITHOUT ROWID;
CREATE TABLE quota_use (
	subject TEXT NOT NULL,
	period TEXT NOT NULL,
	start INTEGER NOT NULL,
	segments INTEGER NOT NULL,
	PRIMARY KEY (subject, period)
)
 WITHOUT ROWID;
CREATE TABLE ref (
	bucket INTEGER NOT NULL,
	app TEXT NOT NULL,
	ref TEXT NOT NULL,
	message_id INTEGER NOT NULL,
	digest BLOB NOT NULL,
	PRIMARY KEY (bucket, app, ref)
)
 WITHOUT ROWID;
CREATE TABLE retry (
	stream INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	attempts INTEGER NOT NULL,
	due_at INTEGER,
	error TEXT NOT NULL, replayed_at INTEGER,
	PRIMARY KEY (stream, seq)
)
 WITHOUT ROWID;
CREATE TABLE segment (
	message_id INTEGER NOT NULL,
	part SMALLINT NOT NULL,
	carrier TEXT NOT NULL,
	app TEXT NOT NULL,
	lane SMALLINT NOT NULL,
	rank SMALLINT NOT NULL,
	shard SMALLINT NOT NULL,
	state SMALLINT NOT NULL,
	epoch INTEGER NOT NULL,
	attempts SMALLINT NOT NULL,
	in_doubt SMALLINT NOT NULL,
	due_at INTEGER,
	expires_at INTEGER NOT NULL,
	status INTEGER,
	reason TEXT,
	error TEXT,
	receipt_state SMALLINT,
	smsc_message_id TEXT,
	sent_at INTEGER,
	done_at INTEGER, bind TEXT, written_at INTEGER, carrier_done_at INTEGER,
	PRIMARY KEY (message_id, part)
)
 WITHOUT ROWID;
CREATE TABLE smsc_id (
	bucket INTEGER NOT NULL,
	carrier TEXT NOT NULL,
	"key" TEXT NOT NULL,
	message_id INTEGER NOT NULL,
	part SMALLINT NOT NULL,
	raw TEXT NOT NULL,
	PRIMARY KEY (bucket, carrier, "key", message_id, part)
)
 WITHOUT ROWID;
CREATE TABLE sticky (
	number TEXT NOT NULL,
	peer TEXT NOT NULL,
	carrier TEXT NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (number, peer)
)
 WITHOUT ROWID;
CREATE TABLE store_info (
	"key" TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY ("key")
);
CREATE TABLE stream (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	kind TEXT NOT NULL,
	app TEXT NOT NULL,
	name TEXT NOT NULL,
	numbers TEXT,
	events TEXT NOT NULL,
	created_at INTEGER NOT NULL
);
CREATE TABLE thread (
	number TEXT NOT NULL,
	peer TEXT NOT NULL,
	first_at INTEGER NOT NULL,
	read_up_to INTEGER NOT NULL,
	attention INTEGER,
	assigned TEXT,
	PRIMARY KEY (number, peer)
)
 WITHOUT ROWID;
CREATE TABLE told (
	peer TEXT NOT NULL,
	number TEXT NOT NULL,
	message_id INTEGER NOT NULL,
	PRIMARY KEY (peer, number)
)
 WITHOUT ROWID;
CREATE TABLE trace (
	message_id INTEGER NOT NULL,
	id INTEGER NOT NULL,
	part SMALLINT NOT NULL,
	at INTEGER NOT NULL,
	kind TEXT NOT NULL,
	carrier TEXT NOT NULL,
	detail TEXT,
	PRIMARY KEY (message_id, id)
)
 WITHOUT ROWID;
CREATE TABLE usage (
	day INTEGER NOT NULL,
	direction TEXT NOT NULL,
	app TEXT NOT NULL,
	carrier TEXT NOT NULL,
	number TEXT NOT NULL,
	country TEXT NOT NULL,
	class TEXT NOT NULL,
	status TEXT NOT NULL,
	messages INTEGER NOT NULL,
	segments INTEGER NOT NULL,
	accepted INTEGER NOT NULL,
	PRIMARY KEY (day, direction, app, carrier, number, country, class, status)
)
 WITHOUT ROWID;
CREATE INDEX consent_asked_until ON consent_asked (until);
CREATE INDEX consent_change_peer ON consent_change (peer, id);
CREATE INDEX inbound_pair ON inbound (peer, number, id);
CREATE INDEX message_peer ON message (peer, id);
CREATE UNIQUE INDEX mo_message_key ON mo_message (peer, number, ref, total);
CREATE INDEX mo_message_peer ON mo_message (peer, received_at) WHERE units > 0;
CREATE INDEX mo_message_told ON mo_message (received_at) WHERE units = 0;
CREATE INDEX mo_message_waiting ON mo_message (received_at) WHERE units > 0;
CREATE INDEX optout_change_peer ON optout_change (peer, id);
CREATE INDEX parked_receipt_key ON parked_receipt (carrier, "key");
CREATE INDEX peer_same_as ON peer (same_as) WHERE same_as IS NOT NULL;
CREATE INDEX segment_doubt ON segment (carrier, message_id) WHERE state = 4;
CREATE INDEX segment_due ON segment (due_at) WHERE state = 0;
CREATE INDEX segment_expiring ON segment (expires_at) WHERE state IN (0, 1);
CREATE INDEX segment_failed ON segment (done_at) WHERE state BETWEEN 6 AND 9;
CREATE INDEX segment_held ON segment (message_id, due_at) WHERE state = 3 AND reason IS NOT NULL;
CREATE INDEX segment_queued ON segment (carrier, lane, app, rank, message_id, state) WHERE state = 1;
CREATE INDEX segment_submitting ON segment (carrier, epoch) WHERE state = 2;
CREATE UNIQUE INDEX stream_name ON stream (kind, app, name);
CREATE INDEX thread_peer ON thread (peer, first_at);
INSERT INTO alembic_version VALUES ('0009');
