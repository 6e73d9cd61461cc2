// SPDX-License-Identifier: GPL-2.0-only
/*
 * One global per structure of the ABI, so that each stands in this object's BTF: a type that programs
 * use only through local pointers does not. Never loaded; the tests compare it with the extension.
 */
#include "enforcer_abi.h"

struct enf_range range;
struct enf_slot slot;
struct enf_dfa dfa;
struct enf_interval interval;
struct enf_term term;
struct enf_sys sys;
struct enf_operand operand;
struct enf_point point;
struct enf_label label;
struct enf_subject_term subject_term;
struct enf_subject subject;
struct enf_row row;
struct enf_limit limit;
struct enf_marks marks;
struct enf_cast cast;
struct enf_place place;
struct enf_root root;
struct enf_met met;
struct enf_mounted mounted;
struct enf_image image;
struct enf_task task;
struct enf_object object;
struct enf_verdict verdict;
struct enf_event event;
struct enf_repeats repeats;
struct enf_telling telling;
struct enf_hits hits;
struct enf_notes notes;
struct enf_test_input test_input;
struct enf_guard_call guard_call;
struct enf_offspring offspring;
struct enf_knock knock;

/* ---- Enumerations, each by a variable ------------------------------------------------------ */

enum enf_op op;
enum enf_dim dim;
enum enf_fold fold;
enum enf_action action;
enum enf_on_error on_error;
enum enf_term_kind term_kind;
enum enf_sys_kind sys_kind;
enum enf_end_how end_how;
enum enf_point_kind point_kind;
enum enf_operand_type operand_type;
enum enf_event_kind event_kind;
enum enf_line_how line_how;
enum enf_stat stat;
enum enf_guard_act guard_act;
enum enf_guard_order guard_order;
enum enf_first_unit first_unit;
enum enf_knock_order knock_order;

const volatile __u64 enf_abi_hash = ENF_ABI_HASH;
