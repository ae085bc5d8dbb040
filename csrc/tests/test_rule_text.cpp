#include "core/errors.h"
#include "core/rule_parser.h"
#include "core/rule_text.h"
#include "core/thread_pool.h"
#include "tests/check.h"

namespace kgwalk {
namespace {

const Names kEntities({"ann", "bob", "Paris, Texas", "f(x)", "a <= b", "\xC3\x89va", "X", "me_myself_i"});
const Names kRelations({"knows", "part of", "r(s", "_hypernym", "/a/b./c/d"});
constexpr RelationId kCount = 5;

RuleSet read(const std::string& text) { return read_rules(text, "file", kEntities, kRelations).rules; }

/// What a rule is made of, for one look: head constant; body constant.
std::string form(const RuleSet& rules, std::size_t i) {
  std::string s = std::to_string(rules.head[i]) + " " + std::to_string(rules.head_constant[i]) + " <-";
  for (const RelationId r : rules.body_of(i)) s += " " + std::to_string(r);
  return s + "; " + std::to_string(rules.body_constant[i]);
}

std::string form(const std::string& rule) {
  const RuleSet rules = read("5\t3\t0.6\t" + rule + "\n");
  rules.check(kEntities.size(), kRelations.size());
  CHECK_EQ(rules.size(), 1u);
  return form(rules, 0);
}

void refuses(const std::string& text, const std::string& part) {
  CHECK_THROWS(FormatError, part, read(text));
  const RuleText skipped = read_rules("1\t1\t1\tknows(X,ann) <= \n" + text, "file", kEntities, kRelations, true);
  CHECK(skipped.rules.size() > 0 && skipped.skipped > 0 && !skipped.reasons.empty());
}

void refuses_rule(const std::string& rule, const std::string& part) {
  refuses("5\t3\t0.6\t" + rule, "file:1: " + part);
}

RuleSet set_of(RelationId head, EntityId head_constant, std::vector<RelationId> body, EntityId body_constant) {
  RuleSet rules;
  rules.head = {head};
  rules.head_constant = {head_constant};
  rules.body_offsets = {0, static_cast<std::int64_t>(body.size())};
  rules.body = std::move(body);
  rules.body_constant = {body_constant};
  rules.support = {1};
  rules.predictions = {2};
  rules.confidence = {0.5};
  return rules;
}

std::string written(const RuleSet& rules) { return format_rules(rules, kEntities, kRelations); }

}  // namespace

TEST(rule_text_holds_every_form) {
  CHECK_EQ(form("knows(X,Y) <= part of(X,A), _hypernym(B,A), knows(B,Y)"), "0 -1 <- 1 8 0; -1");
  CHECK_EQ(form("knows(X,ann) <= knows(bob,X)"), "0 0 <- 5; 1");
  CHECK_EQ(form("knows(ann,Y) <= knows(Y,A), part of(A,ann)"), "5 0 <- 0 1; 0");
  CHECK_EQ(form("knows(X,ann) <= knows(X,A)"), "0 0 <- 0; -1");
  CHECK_EQ(form("knows(X,ann) <= "), "0 0 <-; -1");
  CHECK_EQ(form("knows(ann,Y) <="), "5 0 <-; -1");
  CHECK_EQ(form("knows(me_myself_i,Y) <= knows(Y,me_myself_i)"), "5 -2 <- 0; -2");
  CHECK_EQ(form("knows(X,X) <= knows(X,A), part of(X,A)"), "0 -2 <- 0 6; -2");
}

TEST(rule_text_finds_the_chain_in_any_order_and_letters) {
  const std::string cyclic = "0 -1 <- 1 8 0; -1";
  CHECK_EQ(form("knows(X,Y) <= knows(B,Y), _hypernym(B,A), part of(X,A)"), cyclic);
  CHECK_EQ(form("knows(X,Y) <= _hypernym(B,A), part of(X,A), knows(B,Y)"), cyclic);
  CHECK_EQ(form("knows(P,Q) <= part of(P,X), _hypernym(Y,X), knows(Y,Q)"), cyclic);
  CHECK_EQ(form("knows(Y,X) <= part of(Y,A), _hypernym(B,A), knows(B,X)"), cyclic);
  CHECK_EQ(form("knows(ann,Y) <= part of(A,ann), knows(Y,A)"), "5 0 <- 0 1; 0");
}

TEST(rule_text_copes_with_its_signs_inside_names) {
  CHECK_EQ(form("r(s(X,Paris, Texas) <= r(s(f(x),X)"), "2 2 <- 7; 3");
  CHECK_EQ(form("knows(X,a <= b) <= part of(X,Paris, Texas)"), "0 4 <- 1; 2");
  CHECK_EQ(form("/a/b./c/d(X,\xC3\x89va) <= /a/b./c/d(X,f(x))"), "4 5 <- 4; 3");
  const Names entities({"c", "d", "d), r(X,d", "X,c", "c,Y"}), relations({"r", "r(X,c) <= r"});
  const auto parse = [&](const std::string& rule) {
    return form(read_rules("0.5\t" + rule, "file", entities, relations).rules, 0);
  };
  CHECK_EQ(parse("r(c,Y) <= r(X,c,Y)"), "2 0 <- 2; 3");        // as r(X, "c,Y") it would not join the head
  CHECK_EQ(parse("r(X,c) <= r(X,d), r(X,d)"), "0 0 <- 0; 2");  // as two atoms it is no chain
  CHECK_THROWS(FormatError, "it has two", parse("r(X,c,Y) <= "));
}

TEST(rule_text_is_written_as_it_was_read) {
  const std::string text =
      "192\t97\t0.505208\tknows(X,Y) <= knows(X,A), part of(B,A), knows(B,Y)\n"
      "5\t3\t0.6\tknows(X,ann) <= knows(ann,X)\n"
      "7\t0\t0\tknows(ann,Y) <= knows(Y,A), part of(A,Paris, Texas)\n"
      "9\t9\t1\tknows(me_myself_i,Y) <= knows(A,Y), r(s(B,A)\n"
      "1000\t1\t0.001\tknows(X,f(x)) <= \n";
  CHECK_EQ(written(read(text)), text);
  CHECK_EQ(written(RuleSet()), "");
  CHECK_EQ(read("").size(), 0u);
}

TEST(rule_text_takes_every_layout_of_lines) {
  const std::string one = "5\t3\t0.6\tknows(X,ann) <= ", two = "0.25\tknows(X,Y) <= knows(Y,X)";
  for (const std::string& text : {one + "\n" + two + "\n", one + "\r\n" + two + "\r\n",
                                  "\xEF\xBB\xBF" + one + "\n" + two, one + "\n" + two + "\n\n\r\n"}) {
    const RuleSet rules = read(text);
    CHECK_EQ(rules.size(), 2u);
    CHECK_EQ(rules.support[0], 3);
    CHECK_EQ(rules.predictions[0], 5);
    CHECK_EQ(rules.confidence[0], 0.6);
    CHECK_EQ(rules.support[1] + rules.predictions[1], 0);
    CHECK_EQ(rules.confidence[1], 0.25);
  }
  const RuleSet unmeasured =
      read("NA\tNA\tNA\tknows(X,ann) <= \nNA\tNA\t0.5\tknows(X,ann) <= \n1\t1\t1.0E-4\tknows(X,ann) <= ");
  CHECK_EQ(unmeasured.predictions[0] + unmeasured.support[0], 0);
  CHECK_EQ(unmeasured.confidence[0], 0.0);
  CHECK_EQ(unmeasured.confidence[1], 0.5);
  CHECK_EQ(unmeasured.confidence[2], 1e-4);
}

TEST(rule_text_refuses_malformed_columns) {
  const std::string good = "5\t3\t0.6\tknows(X,ann) <= \n", rule = "\tknows(X,ann) <= ";
  refuses(good + "knows(X,ann) <= ", "file:2: expected 4 columns");
  refuses(good + "5\t0.6" + rule,
          "file:2: expected 4 columns separated by tab (predictions, support, confidence, rule) or 2 (confidence, "
          "rule), got 3");
  refuses(good + "\n" + good, "file:2: expected a rule, got a blank line");
  refuses("5.0\t3\t0.6" + rule, "file:1: expected predictions, a count, got \"5.0\"");
  refuses("5\t-3\t0.6" + rule, "file:1: expected support, a count, got \"-3\"");
  refuses("5\tNA\t0.6" + rule, "file:1: expected support, a count, got \"NA\"");
  refuses("5\t99999999999999999999\t0.6" + rule, "file:1: expected support, a count");
  refuses("5\t6\t0.6" + rule, "file:1: expected a support of at most the predictions, got 6 of 5");
  for (const char* bad : {"1.5", "-0.1", "nan", "inf", "", "0.6 ", "0,6", "NA", "1e999"}) {
    refuses("5\t3\t" + std::string(bad) + rule,
            std::string("file:1: expected a confidence in [0, 1], got \"") + bad + "\"");
  }
  refuses("NA" + rule, "file:1: expected a confidence in [0, 1]");
  refuses("5\t3\t0.6" + rule + "\rmore", "file:1: expected a line end, got a lone carriage return");
  refuses(good + "5\t3\t0.6\tknows(X,\xFF) <= ", "file:2: expected UTF-8 text, found byte 0xFF");
  refuses(good + std::string("5\t3\t0.6\tknows(X,\0) <= ", 22), "file:2: expected UTF-8 text, found a NUL byte");
}

TEST(rule_text_refuses_what_is_no_rule) {
  refuses_rule("", "expected a rule, head <= body, got \"\"");
  refuses_rule("knows", "expected a rule, head <= body, got \"knows\"");
  const Names plain({"knows"});
  CHECK_THROWS(FormatError, "x:1: expected a known relation, got \"likes\"",
               read_rules("1\tlikes(X,ann) <= ", "x", kEntities, plain));
  CHECK_THROWS(FormatError, "x:1: expected a known relation, got \"likes\"",
               read_rules("1\tknows(X,ann) <= likes(X,A)", "x", kEntities, plain));
  refuses_rule("knows(X,ann)", "expected \" <= \" behind the head, got \"knows(X,ann)\"");
  refuses_rule("knows(X,ann) <=knows(X,A)", "expected \" <= \" behind the head");
  refuses_rule("knows(X,ann) <= knows(X,A", "expected atoms with \", \" between them, got \"knows(X,A\"");
  refuses_rule("knows(X,ann) <= knows(X,A),knows(A,B)", "expected a known entity, got \"A),knows(A,B\"");
  refuses_rule("knows(X,ann) <= knows(X,A), ", "expected an atom, relation(X,Y), got \"\"");
  refuses_rule("knows(X,ann) <= knows(X,A), knows", "expected an atom, relation(X,Y), got \"knows\"");
  refuses_rule("knows(X,eve) <= ", "expected a known entity, got \"eve\"");
  refuses_rule("knows(eve,X) <= ", "expected a known entity, got \"eve\"");
  refuses_rule("knows(X,) <= ", "expected a known entity, got \"\"");
  refuses_rule("knows(X) <= ", "expected two arguments, got \"knows(X)\"");
  refuses_rule("knows(ann,bob) <= ", "expected a variable, A to Z, as one of the arguments, got \"knows(ann,bob)\"");
  refuses_rule("knows(x,ann) <= ", "expected a variable");
}

TEST(rule_text_refuses_forms_it_does_not_hold) {
  refuses_rule("knows(X,Y) <= ", "expected a body, got none behind a head with two variables");
  refuses_rule("knows(X,Y) <= knows(X,A), knows(B,Y)",
               "expected a chain of atoms, got variable A joining no further atom");
  refuses_rule("knows(X,ann) <= knows(A,B)",
               "expected a chain of atoms, got variable X of the head joining no further atom");
  refuses_rule("knows(X,Y) <= knows(X,A)",
               "expected a chain that ends in variable Y of the head, got one that ends in variable A");
  refuses_rule("knows(X,Y) <= knows(X,ann)", "expected no constant in a rule with two variables in its head");
  refuses_rule("knows(X,Y) <= knows(X,me_myself_i)", "expected no constant in a rule with two variables in its head");
  refuses_rule("knows(X,ann) <= knows(X,bob), knows(X,A)", "expected a constant at the end of the chain only");
  refuses_rule("knows(X,Y) <= knows(X,A), knows(A,A), knows(A,Y)",
               "expected a chain that meets a variable once, got variable A");
  refuses_rule("knows(X,Y) <= knows(X,Y), knows(Y,A)", "expected a chain that meets a variable once, got variable Y");
  refuses_rule("knows(X,ann) <= knows(X,A), knows(A,X), knows(X,B)",
               "expected a chain that meets a variable once, got variable X");
  std::string longest = "knows(X,ann) <= knows(X,A)";
  for (char v = 'A'; v < 'P'; ++v) longest += std::string(", knows(") + v + "," + static_cast<char>(v + 1) + ")";
  CHECK_EQ(read("1\t" + longest).body.size(), kMaxBodyAtoms);
  CHECK_EQ(written(read("1\t" + longest)), "0\t0\t1\t" + longest + "\n");
  refuses_rule(longest + ", knows(P,Q)", "expected at most 16 atoms in the body");
}

TEST(rule_text_counts_what_it_skips) {
  std::string text, expected;
  for (int i = 0; i < 30000; ++i) {
    if (i % 3 == 1) {
      text += "bad line " + std::to_string(i) + "\n";
    } else {
      const std::string line = std::to_string(i) + "\t1\t0.5\tknows(X,ann) <= knows(X,A)\n";
      text += i == 0 ? "1" + line : line;
    }
  }
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    const RuleText all = read_rules(text, "file", kEntities, kRelations, true);
    CHECK_EQ(all.skipped, 10000);
    CHECK_EQ(all.rules.size(), 20000u);
    CHECK_EQ(all.rules.predictions[1], 2);
    CHECK_EQ(all.rules.predictions[19999], 29999);
    CHECK_EQ(all.reasons.size(), 5u);
    CHECK_EQ(all.reasons[4].substr(0, 8), "file:14:");
    CHECK_THROWS(FormatError, "file:2: ", read(text));
    CHECK_EQ(written(read(written(all.rules))), written(all.rules));
  }
  set_num_threads(1);
}

TEST(rule_text_writes_nothing_that_reads_otherwise) {
  const auto refused = [](const RuleSet& rules, const char* part) {
    CHECK_THROWS(std::invalid_argument, part, written(rules));
  };
  refused(set_of(0, 6, {0}, kVariable), "rule 0: the entity \"X\" would read as a variable");
  refused(set_of(0, 0, {0}, 6), "rule 0: the entity \"X\" would read as a variable");
  refused(set_of(0, 7, {}, kVariable), "rule 0: the entity \"me_myself_i\" would read as AnyBURL's constant");
  refused(set_of(0, 0, std::vector<RelationId>(17, 0), kVariable), "rule 0: expected a body of at most 16 atoms");
  refused(set_of(0, kVariable, {}, kVariable), "rule 0: expected a body");
  CHECK_THROWS(std::out_of_range, "head_constant", written(set_of(0, 8, {}, kVariable)));
  const auto refused_names = [](const std::vector<std::string_view>& entities, const char* part) {
    CHECK_THROWS(std::invalid_argument, part, format_rules(set_of(0, 1, {}, kVariable), Names(entities), Names({"r"})));
  };
  refused_names({"a", "a"}, "would read as another rule");
  refused_names({"a", "a\tb"}, "names with tabs, line ends or bytes that are no UTF-8");
  refused_names({"a", "a\n"}, "names with tabs");
  refused_names({"a", "\xFF"}, "names with tabs");
  refused_names({"a", ""}, "could not be read back: expected a known entity");
  CHECK_THROWS(std::invalid_argument, "it has two",
               format_rules(set_of(0, 0, {}, kVariable), Names({"X,c,Y", "X,X,c"}), Names({"r"})));
}

TEST(rule_set_checks_what_came_from_outside) {
  const auto refused = [](RuleSet rules, const char* part) {
    CHECK_THROWS(std::invalid_argument, part, rules.check(4, 2));
  };
  const auto outside = [](RuleSet rules, const char* part) {
    CHECK_THROWS(std::out_of_range, part, rules.check(4, 2));
  };
  set_of(3, kSelf, {3, 0}, kSelf).check(4, 2);
  RuleSet().check(0, 0);
  refused(set_of(2, kVariable, {0}, kVariable), "expected a forward relation");
  refused(set_of(0, kVariable, {}, kVariable), "expected a body");
  refused(set_of(0, kVariable, {0}, 1), "body_constant");
  refused(set_of(0, 1, {}, 1), "body_constant");
  outside(set_of(4, 1, {}, kVariable), "head[0] is 4");
  outside(set_of(0, 4, {}, kVariable), "head_constant[0] is 4");
  outside(set_of(0, 1, {0, 4}, kVariable), "body[1] is 4");
  outside(set_of(0, 1, {-1}, kVariable), "body[0] is -1");
  outside(set_of(0, 1, {0}, -3), "body_constant[0] is -3");
  const RuleSet good = set_of(0, 1, {0}, 2);
  RuleSet bad = good;
  bad.support = {3};
  refused(bad, "support <= predictions");
  bad.support = {-1};
  refused(bad, "0 <= support");
  for (const double confidence : {-0.1, 1.1, 0.0 / 0.0}) {
    bad = good;
    bad.confidence = {confidence};
    refused(bad, "confidence in [0, 1]");
  }
  bad = good;
  bad.support.clear();
  refused(bad, "support: expected length 1, got 0");
  bad = good;
  bad.body_offsets = {0, 2};
  refused(bad, "body_offsets must end at 1");
}

TEST(rule_set_selects_in_any_order) {
  const RuleSet rules = read("1\tknows(X,ann) <= \n0.5\tknows(X,Y) <= knows(A,X), part of(A,Y)\n");
  const RuleSet chosen = rules.select(std::vector<std::int64_t>{1, 0, 1});
  CHECK_EQ(chosen.size(), 3u);
  chosen.check(kEntities.size(), kCount);
  CHECK_EQ(form(chosen, 0), form(rules, 1));
  CHECK_EQ(form(chosen, 1), form(rules, 0));
  CHECK_EQ(form(chosen, 2), form(rules, 1));
  CHECK_EQ(chosen.confidence[2], 0.5);
  CHECK_THROWS(std::out_of_range, "indices[1] is 2", rules.select(std::vector<std::int64_t>{0, 2}));
  CHECK_THROWS(std::out_of_range, "indices[0] is -1", rules.select(std::vector<std::int64_t>{-1}));
}

}  // namespace kgwalk
