//! One suite that every engine passes, on a real database of its own for each scenario.
//!
//! A scenario is a function over a [`Ground`](ground::Ground): it writes tables in words that every dialect knows (or
//! says them in each), asks the engine, and compares keys of rows. A new scenario is a function in the file of its
//! subject and a line in the list below; a new engine is a constructor of `Ground` and a module beside `sqlite`,
//! `postgres` and `mariadb`. What only one engine has is in a file of that engine.

mod anonymising;
mod catalogue;
mod dates;
mod extremes;
mod gate;
mod ground;
mod holds;
mod only_postgres;
mod only_sqlite;
mod strategies;
mod types;
mod walking;

/// Makes a test of each scenario for each engine.
macro_rules! scenarios {
    ($($subject:ident: $($scenario:ident),+;)+) => {
        mod sqlite {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $scenario() {
                    super::$subject::$scenario(&super::ground::Ground::sqlite().await).await;
                }
            )+)+
        }

        mod postgres {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $scenario() {
                    super::$subject::$scenario(&super::ground::Ground::postgres().await).await;
                }
            )+)+
        }

        mod mariadb {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $scenario() {
                    super::$subject::$scenario(&super::ground::Ground::mariadb().await).await;
                }
            )+)+
        }
    };
}

scenarios! {
    dates:
        iso8601_takes_every_notation_in_one_column,
        plain_dates_count_from_the_next_day,
        epochs_in_numbers_and_in_text,
        compact_in_text_and_in_numbers,
        native_timestamps,
        what_is_finer_than_a_microsecond_is_the_next_one,
        values_that_mean_no_date;
    walking:
        ties_on_one_instant_are_cut_into_batches,
        runs_of_ties_are_met_once,
        a_survey_agrees_with_the_counts,
        a_guess_tells_a_full_table_from_one_with_little_to_do,
        composite_keys,
        no_key_at_all,
        hostile_names,
        counting_by_ranges_adds_up_to_the_table,
        an_empty_table_has_no_range,
        a_batch_larger_than_its_limit_changes_nothing,
        statements_have_a_limit;
    extremes:
        one_row_and_none,
        as_many_columns_as_a_table_may_have,
        values_of_a_mebibyte;
    holds:
        a_subject_is_found_in_each_type_of_column,
        a_folded_collation_decides_who_is_who,
        any_of_several_subjects_holds,
        null_subjects_are_nobody_unless_the_rule_says_so,
        a_hold_without_subjects_holds_everything_in_scope,
        other_scopes_and_kinds_hold_nothing,
        released_holds_hold_nothing,
        a_condition_that_is_unknown_does_not_act,
        protectors_wait_unless_their_condition_is_false;
    anonymising:
        null_and_fixed_values,
        computed_values,
        what_is_done_is_left_alone;
    strategies:
        masks_keep_the_shape,
        dates_are_truncated_in_the_zone_that_they_have,
        numbers_are_rounded_within_their_type,
        null_stays_null_beside_a_column_that_changes,
        places_in_documents_change_and_nothing_else,
        documents_that_can_not_be_read_leave_nothing,
        random_values_are_all_different,
        what_does_not_fit_is_refused;
    types:
        subjects_are_found_in_columns_of_every_type,
        a_value_is_held_where_the_server_finds_it_equal,
        starts_of_every_type_end_at_the_cut_off,
        keys_of_every_type_are_walked_once,
        strategies_write_what_each_type_holds,
        bystanders_of_every_type_stay;
    gate:
        a_workspace_is_stamped_once,
        a_source_without_a_workspace_has_no_batches,
        a_batch_sees_every_hold_that_was_placed,
        a_gate_behind_what_it_confirmed_is_not_raised,
        place_waits_for_a_batch_and_names_it,
        a_dropped_batch_rolls_back,
        a_cancelled_begin_leaves_no_transaction,
        a_moved_fence_stops_the_mark,
        settling_waits_for_a_transaction_that_has_marked,
        settling_reads_what_was_committed,
        epochs_and_fences_only_rise,
        placed_holds_are_listed;
    catalogue:
        columns_keys_and_indexes,
        foreign_keys_both_ways,
        triggers_are_told,
        views_are_not_tables,
        names_are_exact,
        conditions_are_prepared;
}
