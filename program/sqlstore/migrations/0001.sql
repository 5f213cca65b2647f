-- One schema for both databases. {bytes}, {int} and {keyed} stand for the
-- database's own words: BLOB, INTEGER and WITHOUT ROWID on SQLite, BYTEA,
-- BIGINT and nothing on PostgreSQL. Times are microseconds since 1970, UTC.

CREATE TABLE waves (
  wave    {int} NOT NULL PRIMARY KEY CHECK (wave >= 0),
  state   TEXT NOT NULL CHECK (state IN ('planned','open','closed','freezing','frozen','drawn','announced')),
  opens   {int} NOT NULL,
  closes  {int} CHECK (closes > opens),
  body    {bytes} NOT NULL,
  version {int} NOT NULL CHECK (version > 0)
);

CREATE TABLE applicants (
  applicant  {bytes} NOT NULL PRIMARY KEY,
  state      TEXT NOT NULL CHECK (state IN ('registered','barred','withdrawn','erased')),
  registered {int} NOT NULL,
  household  {bytes},
  sealed     {bytes},
  version    {int} NOT NULL CHECK (version > 0),
  CHECK ((sealed IS NULL) = (state = 'erased'))
) {keyed};
CREATE INDEX applicants_household ON applicants (household, applicant) WHERE household IS NOT NULL;

CREATE TABLE person_keys (
  applicant {bytes} NOT NULL PRIMARY KEY REFERENCES applicants,
  wrapped   {bytes} NOT NULL,
  under     TEXT NOT NULL,
  version   {int} NOT NULL CHECK (version > 0)
) {keyed};

CREATE TABLE blind_index (
  kind    TEXT NOT NULL,
  digest  {bytes} NOT NULL,
  owner   {bytes} NOT NULL,
  under   TEXT NOT NULL,
  version {int} NOT NULL CHECK (version > 0),
  PRIMARY KEY (kind, digest)
) {keyed};

CREATE TABLE applications (
  wave       {int} NOT NULL REFERENCES waves,
  applicant  {bytes} NOT NULL REFERENCES applicants,
  state      TEXT NOT NULL,
  edition    {int} NOT NULL CHECK (edition > 0),
  entered    {int} NOT NULL,
  due        {int},
  receipt    {bytes} NOT NULL,
  household  {bytes},
  pool       TEXT,
  groups     TEXT,
  tier       {int} NOT NULL,
  held       {int} NOT NULL,
  commitment {bytes},
  seat       TEXT,
  seat_state TEXT CHECK (seat_state IN ('held','granted','returned')),
  decision   {bytes},
  trail      {bytes} NOT NULL,
  paused_due   {int},
  paused_since {int},
  rank_number  {int} NOT NULL CHECK (rank_number >= 0),
  version    {int} NOT NULL CHECK (version > 0),
  PRIMARY KEY (wave, applicant),
  CHECK ((seat IS NULL) = (seat_state IS NULL)),
  CHECK ((paused_due IS NULL) = (paused_since IS NULL)),
  CHECK (due IS NULL OR paused_due IS NULL)
) {keyed};
CREATE INDEX applications_due ON applications (due, wave, applicant) WHERE due IS NOT NULL;

CREATE TABLE entitlements (
  benefit   TEXT NOT NULL,
  number    {int} NOT NULL CHECK (number > 0),
  wave      {int} NOT NULL,
  applicant {bytes} NOT NULL,
  amount    {int} NOT NULL CHECK (amount > 0),
  currency  TEXT NOT NULL CHECK (length(currency) = 3),
  due       {int} NOT NULL,
  created   {int} NOT NULL,
  stopped   {int} NOT NULL CHECK (stopped >= 0),
  lapsed    {int},
  version   {int} NOT NULL CHECK (version > 0),
  PRIMARY KEY (benefit, number, wave, applicant),
  FOREIGN KEY (wave, applicant) REFERENCES applications
) {keyed};

CREATE TABLE batches (
  batch    {int} NOT NULL PRIMARY KEY CHECK (batch > 0),
  state    TEXT NOT NULL CHECK (state IN ('preparing','prepared','approved','submitted','closed','revising','cancelling','cancelled')),
  benefit  TEXT NOT NULL,
  number   {int} NOT NULL,
  wave     {int} NOT NULL REFERENCES waves,
  count    {int} NOT NULL CHECK (count >= 0),
  total    {int} NOT NULL CHECK (total >= 0),
  currency TEXT NOT NULL,
  preparer TEXT NOT NULL,
  approver TEXT CHECK (approver <> preparer),
  releaser TEXT CHECK (releaser <> preparer AND releaser <> approver),
  body     {bytes} NOT NULL,
  version  {int} NOT NULL CHECK (version > 0),
  CHECK (state NOT IN ('approved','submitted','closed') OR approver IS NOT NULL),
  CHECK (state NOT IN ('submitted','closed') OR releaser IS NOT NULL)
);

CREATE TABLE payments (
  batch       {int} NOT NULL REFERENCES batches,
  item        {int} NOT NULL CHECK (item > 0),
  state       TEXT NOT NULL CHECK (state IN
    ('created','approved','submitted','accepted','settled','rejected','returned','unknown','cancelled')),
  benefit     TEXT NOT NULL,
  number      {int} NOT NULL,
  wave        {int} NOT NULL,
  applicant   {bytes} NOT NULL,
  generation  {int} NOT NULL CHECK (generation > 0),
  amount      {int} NOT NULL CHECK (amount > 0),
  currency    TEXT NOT NULL,
  destination {bytes} NOT NULL,
  code        TEXT,
  changed     {int} NOT NULL,
  ended       {int},
  submitted   {int},
  marks       {int} NOT NULL,
  proposal    {bytes},
  channel     TEXT,
  sent        {int},
  handed      {int} NOT NULL CHECK (handed >= 0),
  debits      {int} NOT NULL CHECK (debits >= 0),
  credits     {int} NOT NULL CHECK (credits >= 0),
  account     {bytes},
  payee       {bytes},
  claim_due   {int},
  version     {int} NOT NULL CHECK (version > 0),
  PRIMARY KEY (batch, item),
  CHECK ((ended IS NOT NULL) = (state IN ('rejected','returned','cancelled'))),
  FOREIGN KEY (benefit, number, wave, applicant) REFERENCES entitlements
) {keyed};
CREATE UNIQUE INDEX payments_generation ON payments (benefit, number, wave, applicant, generation);
-- At most one payment of an entitlement is alive: rejected, returned and
-- cancelled ones make room for the next.
CREATE UNIQUE INDEX payments_live ON payments (benefit, number, wave, applicant)
  WHERE ended IS NULL;

CREATE TABLE statements (
  digest   {bytes} NOT NULL PRIMARY KEY,
  account  TEXT NOT NULL,
  sequence {int} NOT NULL,
  opening  {int} NOT NULL,
  closing  {int} NOT NULL,
  state    TEXT NOT NULL CHECK (state IN ('matching','matched','quarantined')),
  body     {bytes} NOT NULL,
  version  {int} NOT NULL CHECK (version > 0)
) {keyed};

CREATE TABLE bank_accounts (
  account  TEXT NOT NULL PRIMARY KEY,
  sequence {int} NOT NULL,
  closing  {int} NOT NULL,
  currency TEXT NOT NULL,
  state    TEXT NOT NULL CHECK (state IN ('matching','matched')),
  until    {int},
  digest   {bytes} NOT NULL,
  channel  TEXT,
  version  {int} NOT NULL CHECK (version > 0)
) {keyed};

CREATE TABLE suspense (
  account  TEXT NOT NULL,
  sequence {int} NOT NULL,
  line     {int} NOT NULL CHECK (line > 0),
  standing TEXT CHECK (standing = account),
  class    TEXT NOT NULL,
  units    {int} NOT NULL CHECK (units <> 0),
  currency TEXT NOT NULL,
  batch    {int},
  item     {int},
  since    {int} NOT NULL,
  version  {int} NOT NULL CHECK (version > 0),
  PRIMARY KEY (account, sequence, line)
) {keyed};
CREATE INDEX suspense_standing ON suspense (standing, account, sequence, line) WHERE standing IS NOT NULL;

CREATE TABLE provider_references (
  channel TEXT NOT NULL,
  theirs  TEXT NOT NULL,
  batch   {int} NOT NULL,
  item    {int} NOT NULL,
  version {int} NOT NULL CHECK (version > 0),
  PRIMARY KEY (channel, theirs)
) {keyed};

CREATE TABLE jobs (
  job     TEXT NOT NULL,
  part    {int} NOT NULL CHECK (part >= 0),
  state   TEXT NOT NULL CHECK (state IN ('running','paused','stopped','done')),
  owner   TEXT CHECK (owner IS NULL OR part > 0),
  cursor  {bytes},
  until   {bytes},
  counts  {bytes} NOT NULL,
  mark    {bytes} NOT NULL,
  version {int} NOT NULL CHECK (version > 0),
  PRIMARY KEY (job, part),
  CHECK (part = 0 OR state IN ('running','done'))
) {keyed};

CREATE TABLE editions (
  edition {int} NOT NULL PRIMARY KEY CHECK (edition > 0),
  digest  {bytes} NOT NULL CHECK (length(digest) = 32),
  body    {bytes} NOT NULL,
  version {int} NOT NULL CHECK (version > 0)
);

CREATE TABLE accounts (
  account  TEXT NOT NULL PRIMARY KEY,
  posted   {int} NOT NULL,
  outgoing {int} NOT NULL CHECK (outgoing >= 0),
  incoming {int} NOT NULL CHECK (incoming >= 0),
  minimum  {int} NOT NULL,
  maximum  {int} NOT NULL
) {keyed};

CREATE TABLE postings (
  id      TEXT NOT NULL PRIMARY KEY,
  kind    {int} NOT NULL CHECK (kind BETWEEN 0 AND 3),
  of_id   TEXT NOT NULL,
  expires {int},
  open    {int} NOT NULL CHECK (open IN (0, 1)),
  at      {int} NOT NULL,
  legs    {bytes} NOT NULL,
  version {int} NOT NULL DEFAULT 1 CHECK (version = 1)
) {keyed};
CREATE UNIQUE INDEX postings_reversed ON postings (of_id) WHERE kind = 0 AND of_id <> '';
CREATE INDEX postings_expiring ON postings (expires) WHERE open = 1 AND expires IS NOT NULL;

CREATE TABLE bars (
  mark    {bytes} NOT NULL PRIMARY KEY,
  name    TEXT NOT NULL,
  until   {int},
  basis   TEXT NOT NULL,
  version {int} NOT NULL CHECK (version > 0)
) {keyed};

CREATE TABLE decisions (
  wave       {int} NOT NULL,
  applicant  {bytes} NOT NULL,
  stage      TEXT NOT NULL,
  number     {int} NOT NULL,
  at         {int} NOT NULL,
  record     {bytes} NOT NULL,
  sealed     {bytes} NOT NULL,
  commitment {bytes} NOT NULL,
  version    {int} NOT NULL CHECK (version = 1),
  PRIMARY KEY (wave, applicant, stage, number),
  FOREIGN KEY (wave, applicant) REFERENCES applications
) {keyed};

CREATE TABLE amendments (
  applicant {bytes} NOT NULL REFERENCES applicants,
  number    {int} NOT NULL CHECK (number > 0),
  at        {int} NOT NULL,
  actor     TEXT NOT NULL,
  reason    TEXT NOT NULL,
  fields    TEXT NOT NULL,
  sealed    {bytes} NOT NULL,
  version   {int} NOT NULL CHECK (version = 1),
  PRIMARY KEY (applicant, number)
) {keyed};

CREATE TABLE appeals (
  wave      {int} NOT NULL,
  applicant {bytes} NOT NULL,
  number    {int} NOT NULL CHECK (number > 0),
  state     TEXT NOT NULL CHECK (state IN ('filed','upheld','dismissed','withdrawn')),
  filed     {int} NOT NULL,
  due       {int},
  against   TEXT NOT NULL,
  sealed    {bytes} NOT NULL,
  decided   {int},
  actor     TEXT,
  reason    TEXT,
  version   {int} NOT NULL CHECK (version > 0),
  PRIMARY KEY (wave, applicant, number),
  FOREIGN KEY (wave, applicant) REFERENCES applications,
  CHECK ((due IS NOT NULL) = (state = 'filed')),
  CHECK ((decided IS NULL) = (state = 'filed'))
) {keyed};
CREATE INDEX appeals_due ON appeals (due, wave, applicant, number) WHERE due IS NOT NULL;

-- What is kept beside the cases; no personal data.
CREATE TABLE records (
  kind      TEXT NOT NULL,
  name      TEXT NOT NULL,
  applicant {bytes},
  part_of   TEXT,
  body      {bytes} NOT NULL,
  version   {int} NOT NULL CHECK (version > 0),
  PRIMARY KEY (kind, name)
) {keyed};
CREATE INDEX records_applicant ON records (applicant, kind, name) WHERE applicant IS NOT NULL;
CREATE INDEX records_part_of ON records (part_of, kind, name) WHERE part_of IS NOT NULL;

CREATE TABLE commands (
  command     TEXT NOT NULL PRIMARY KEY,
  fingerprint {bytes} NOT NULL,
  answer      {bytes}
) {keyed};

CREATE TABLE journal (
  seq   {int} NOT NULL PRIMARY KEY CHECK (seq > 0),
  at    {int} NOT NULL,
  actor TEXT NOT NULL,
  kind  TEXT NOT NULL,
  data  {bytes} NOT NULL
);
-- The head is locked last, so entries are numbered in the order of commit.
CREATE TABLE journal_head (one {int} NOT NULL PRIMARY KEY CHECK (one = 1), seq {int} NOT NULL);
INSERT INTO journal_head VALUES (1, 0);

CREATE TABLE readers (
  reader  TEXT NOT NULL PRIMARY KEY,
  seq     {int} NOT NULL CHECK (seq > 0),
  version {int} NOT NULL CHECK (version > 0)
) {keyed};

-- Hashes are added, never written again.
CREATE TABLE log_hashes (
  position {int} NOT NULL PRIMARY KEY CHECK (position >= 0),
  hash     {bytes} NOT NULL CHECK (length(hash) = 32),
  version  {int} NOT NULL CHECK (version = 1)
);
CREATE TABLE log_head (
  one        {int} NOT NULL PRIMARY KEY CHECK (one = 1),
  checkpoint {bytes} NOT NULL,
  owner      {bytes},
  until      {int},
  version    {int} NOT NULL CHECK (version > 0),
  CHECK ((owner IS NULL) = (until IS NULL))
);
