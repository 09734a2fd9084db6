//! The roll of all questions. A question that is missing here is dead code, and the compiler says so.

/// Hands every question to another macro, by subject.
#[doc(hidden)]
#[macro_export]
macro_rules! __roll {
    ($with:path) => {
        $with! {
            table {
                a_scheduled_job_makes_the_moves_of_the_table_and_no_other
                a_ready_job_makes_the_moves_of_the_table_and_no_other
                a_running_job_makes_the_moves_of_the_table_and_no_other
                a_job_that_was_asked_to_stop_makes_the_moves_of_the_table_and_no_other
                a_completed_job_makes_the_moves_of_the_table_and_no_other
                a_failed_job_makes_the_moves_of_the_table_and_no_other
                a_cancelled_job_makes_the_moves_of_the_table_and_no_other
            }
            insert {
                jobs_are_answered_in_their_order
                no_jobs_are_no_mistake
                a_job_is_recorded_as_it_is_born
                now_may_be_any_moment
                an_id_that_exists_in_the_same_queue_is_a_duplicate_and_the_answer_names_its_state
                a_duplicate_creates_and_changes_nothing
                a_batch_may_hold_new_jobs_beside_duplicates
                an_id_that_exists_in_another_queue_refuses_the_whole_batch
                a_cancelled_job_does_not_hold_its_id
                a_cancelled_job_does_not_hold_its_id_against_another_queue_either
                a_second_occurrence_inside_the_batch_is_a_duplicate_of_the_first
                an_id_is_free_again_once_its_record_is_gone
                a_batch_that_breaks_a_limit_is_refused_whole
                the_largest_batch_is_taken_and_a_larger_one_refused
            }
            claim {
                each_lane_is_given_up_to_the_wanted_number
                a_claim_of_nothing_gives_nothing
                the_lowest_priority_number_goes_first
                equal_priorities_go_in_the_order_in_which_they_were_inserted
                a_promoted_job_stands_behind_those_that_were_ready_before
                a_job_that_was_given_back_keeps_its_turn
                a_job_that_became_ready_anew_joins_the_end_of_the_line
                a_paused_queue_gives_none_until_it_is_resumed
                a_claim_counts_one_attempt_on_each
                a_claim_tells_what_the_worker_needs
                a_claimed_job_runs_under_its_worker
                only_ready_jobs_are_given
                a_due_job_is_not_given_before_it_was_promoted
                a_job_is_given_once_and_every_lease_has_a_token_of_its_own
                a_claim_that_breaks_a_limit_is_refused_whole
            }
            renew {
                a_lease_is_extended_to_now_and_the_wanted_length
                a_renewed_lease_is_not_taken_back_at_its_old_end
                a_lease_that_ran_out_can_be_renewed_until_it_is_taken_back
                progress_is_stored
                progress_never_falls_inside_an_attempt
                a_completed_job_has_progress_100_and_one_that_waits_again_0
                progress_begins_anew_with_the_next_attempt
                a_renewal_tells_that_the_job_shall_stop
                a_lease_that_holds_no_job_is_lost
                a_lease_is_lost_once_its_job_was_removed
                an_older_lease_of_the_same_job_is_lost
                renewals_are_answered_in_their_order
            }
            finish {
                an_attempt_that_succeeded_completes_its_job_with_its_result
                no_result_is_kept_as_no_result
                a_retry_waits_for_its_time_and_keeps_its_error
                a_retry_is_scheduled_even_if_its_time_has_come
                a_snooze_gives_the_attempt_back
                a_lease_that_is_handed_back_gives_the_attempt_back
                a_failure_ends_the_job_and_keeps_its_error
                a_handler_may_cancel_its_job
                an_error_tells_of_its_attempt
                the_errors_of_the_newest_attempts_are_kept_oldest_first
                ends_are_answered_in_their_order
                only_the_lease_that_holds_the_job_now_may_end_it
                a_lease_that_no_store_gave_ends_nothing
                an_end_of_a_job_that_is_not_there_any_more_is_refused_as_gone
                an_old_lease_does_not_end_a_new_job_with_the_same_id
                a_repeated_end_is_answered_as_repeated_and_changes_nothing
                an_end_can_be_repeated_although_its_job_has_moved_on
                a_late_end_in_another_way_is_refused_and_changes_nothing
                a_job_that_was_asked_to_stop_ends_as_cancelled_unless_it_failed
                a_lease_that_ran_out_may_end_its_job_until_it_is_taken_back
                an_end_with_a_result_beyond_the_limit_refuses_all_ends
            }
            follow {
                following_jobs_are_inserted_with_the_end
                a_following_job_whose_id_exists_is_skipped
                a_refused_end_drops_its_following_jobs
                a_repeated_end_inserts_its_following_jobs_only_once
                a_following_job_that_breaks_a_limit_refuses_all_ends
                a_turn_ends_and_then_claims
                a_turn_may_only_end_or_only_claim
                a_repeated_turn_repeats_its_ends
            }
            promote {
                jobs_become_ready_when_their_time_has_come
                the_earliest_goes_first_and_at_most_the_limit
                a_promoted_job_is_told_of
                every_scheduled_job_is_promoted_whatever_it_waited_for
                a_paused_queue_holds_up_claims_not_promotions
                with_nothing_scheduled_nothing_is_wanted
            }
            reclaim {
                a_lease_that_ran_out_is_taken_back_and_its_attempt_given_back
                the_lost_lease_is_worth_nothing
                a_job_that_lost_as_many_leases_as_it_may_failed_as_stalled
                a_job_that_was_asked_to_stop_is_cancelled_when_its_lease_is_lost
                next_is_the_earliest_end_of_a_lease_and_then_there_is_work
                at_most_the_limit_is_taken_back_at_once
                a_lease_that_was_used_up_is_not_taken_back
                a_clock_that_was_set_back_does_not_make_leases_long
            }
            prune {
                an_ended_job_goes_when_its_retention_is_over
                retention_counts_from_the_end_and_is_the_queues_unless_the_job_has_its_own
                a_changed_retention_is_for_jobs_that_end_from_now_on
                of_more_ended_jobs_than_a_queue_keeps_those_go_that_would_go_first
                every_way_to_an_end_is_pruned_and_nothing_else_is
                a_revived_job_does_not_go_at_its_old_time
                a_result_goes_when_its_own_retention_is_over
                a_result_does_not_outlive_its_record
                documents_that_expired_are_removed
                at_most_the_limit_is_removed_at_once
                jobs_and_documents_share_the_limit
                with_nothing_that_expires_nothing_is_wanted
            }
            unique {
                a_second_job_with_the_key_is_answered_with_the_first
                a_key_is_unique_in_its_queue_only
                one_batch_gives_one_job_for_a_key
                the_id_is_looked_at_before_the_key
                a_key_is_held_until_its_job_has_ended
                a_cancelled_or_removed_job_frees_its_key
                a_key_with_a_ttl_is_held_that_long_whatever_becomes_of_its_job
                extend_makes_the_window_begin_anew
                a_record_stays_while_it_holds_its_key
                a_scheduled_job_can_be_replaced
                a_replacement_keeps_the_window
                a_job_that_waits_for_no_time_is_not_replaced
                a_key_can_be_taken_from_its_job_which_stays
                a_job_is_not_revived_while_another_holds_its_key
            }
            flow {
                a_job_is_blocked_until_its_parents_have_completed
                a_flow_may_be_given_in_any_order_and_depth
                a_parent_that_another_job_stands_for_is_known_under_its_name_and_waited_for_once
                a_completed_parent_need_not_be_waited_for
                a_released_job_still_waits_for_its_own_time
                a_parent_may_stand_in_another_queue_and_have_many_children
                a_failed_attempt_of_a_parent_decides_nothing
                each_policy_answers_a_failed_parent
                each_policy_answers_a_cancelled_parent
                each_policy_answers_a_removed_parent
                an_expired_parent_is_a_failed_one
                the_end_of_a_child_goes_down_the_flow
                a_child_of_a_parent_that_ended_before_follows_its_policy
                a_result_stays_until_the_last_child_has_ended
                a_revived_child_waits_for_parents_that_have_not_completed
                a_parent_revived_before_it_was_settled_is_waited_for
                an_unknown_parent_refuses_the_whole_batch
                a_circle_refuses_the_whole_batch
                more_parents_than_a_job_may_have_are_refused
                the_largest_flow_is_taken
                the_end_of_a_parent_rings
            }
            expire {
                a_waiting_job_whose_time_to_live_is_over_fails
                nobody_gets_a_job_whose_time_to_live_is_over
                a_running_job_does_not_expire_but_its_retry_does
                a_job_that_started_in_time_completes_late
                a_revived_job_lives_anew
            }
            fire {
                a_document_is_written_and_jobs_are_inserted_in_one_step
                another_version_changes_nothing
                of_many_that_fire_at_once_one_succeeds
                jobs_that_are_refused_leave_the_document
            }
            limits {
                a_queue_runs_no_more_than_its_concurrency
                a_lost_lease_gives_its_place_up
                a_full_key_holds_up_no_other
                a_job_may_name_its_key
                a_kind_is_limited_in_all_queues_together
                room_of_a_kind_is_not_kept_for_a_queue_that_nobody_claims_from
                starts_keep_to_a_rate
                a_rate_that_is_no_whole_number_of_milliseconds_counts_every_start
                a_rate_of_zero_lets_nothing_start
                each_key_has_a_rate_of_its_own
                a_limit_counts_for_all_who_claim
                nothing_is_read_ahead_of_a_queue_with_limits
                a_changed_limit_reaches_jobs_that_wait_and_jobs_that_run
                a_limit_holds_before_the_jobs_were_sorted
                room_rings_for_who_waits
                what_holds_up_a_job_is_told
                a_job_without_a_value_for_a_key_is_refused
                a_limit_that_makes_no_sense_is_refused
                with_ageing_a_job_that_waited_long_goes_before_better_ones
                a_claim_gives_what_the_rule_says_and_nothing_else
            }
            failures {
                failed_jobs_are_counted_in_groups_of_those_that_are_alike
                a_job_that_leaves_its_failure_leaves_its_group
                jobs_that_failed_without_an_attempt_are_groups_of_their_own
            }
            amend {
                a_waiting_job_is_cancelled_at_once
                the_worker_of_a_running_job_is_asked_to_stop_and_asking_again_answers_the_same
                an_ended_job_is_not_cancelled
                a_failed_or_cancelled_job_is_revived_anew_and_keeps_its_errors
                a_revived_job_is_not_asked_to_stop_any_more
                any_other_job_is_not_revived
                the_record_of_a_job_that_does_not_run_can_be_removed
                a_running_job_is_removed_only_by_force
                force_removes_any_job
                a_job_that_is_not_there_is_unknown
                changes_are_answered_in_the_order_of_the_ids
                more_ids_than_one_step_touches_are_refused_whole
            }
            queue {
                naming_a_queue_creates_it
                a_job_names_its_queue_and_the_queue_stays_when_the_job_goes
                a_change_sets_what_it_names_and_leaves_the_rest
                queues_are_listed_by_name
                each_queue_counts_its_own_jobs
                a_queue_tells_since_when_its_next_ready_job_has_waited
                an_empty_queue_is_forgotten_with_its_settings
                a_queue_with_jobs_in_any_state_is_not_forgotten
                a_change_that_breaks_a_limit_is_refused
            }
            look {
                a_job_that_is_not_there_is_none
                the_newest_insert_is_listed_first
                a_job_that_replaced_a_cancelled_one_is_listed_as_the_new_insert_that_it_is
                pages_of_any_size_hold_every_job_once
                a_listing_goes_on_where_it_was_although_jobs_come_and_go
                a_page_beyond_the_limit_is_refused
                a_page_ends_with_the_job_that_brings_it_to_its_bytes
                a_listing_holds_the_jobs_that_match_and_no_other
            }
            records {
                a_document_is_read_as_it_was_written
                the_version_of_a_key_rises_with_every_write
                the_version_of_a_key_rises_over_its_removal
                a_write_that_expects_no_document_meets_one
                a_write_that_expects_a_version_needs_that_version
                a_document_is_removed_if_the_expectation_holds
                an_expired_document_is_as_good_as_absent
                the_last_write_decides_when_a_document_goes
                documents_are_listed_by_prefix_in_the_order_of_their_keys
                a_log_is_read_in_the_order_in_which_it_was_written
                no_entries_leave_a_log_where_it_ends
                a_log_keeps_its_newest_entries_and_never_reuses_a_place
                records_of_one_name_do_not_meet
                a_limiter_answers_as_its_rule_says
                what_a_limiter_refused_is_not_counted
                pruning_forgets_no_permit_that_still_counts
                a_rule_that_breaks_a_limit_is_refused
            }
            wake {
                a_new_job_rings_for_its_queue
                every_listener_hears_the_ring
                a_scheduled_job_rings_as_due
                a_job_that_is_ready_again_rings_for_its_queue
                a_following_job_rings_for_its_queue
                a_paused_and_a_resumed_queue_ring
                a_running_job_that_shall_stop_rings
                a_running_job_that_lost_its_lease_rings
                new_entries_ring_for_their_log
                a_listener_that_is_slow_is_told_that_it_missed_something
                the_bell_rings_for_what_others_changed
                a_store_that_others_have_open_is_not_alone
            }
            fidelity {
                args_come_back_byte_for_byte
                results_come_back_byte_for_byte
                progress_comes_back_byte_for_byte
                the_largest_args_and_results_are_kept
                awkward_ids_are_ids_like_others
                ids_made_by_the_engine_and_chosen_ones_are_kept_apart
                awkward_names_are_names_like_others
                what_was_asked_comes_back_whole
                priorities_come_back_exactly
                errors_come_back_as_they_were_told
                documents_and_entries_come_back_byte_for_byte
                a_token_works_after_it_was_written_down
            }
            close {
                a_closed_store_may_be_closed_again_and_says_that_it_is_closed_if_it_says_no
                what_was_accepted_is_there_when_the_store_is_opened_anew
                a_lease_outlives_the_handle_that_gave_it
                what_was_under_way_at_the_close_is_finished_or_refused
            }
            races {
                no_job_is_leased_twice
                inserts_of_one_id_at_once_give_one_job
                one_lease_ends_its_attempt_once
                parents_that_end_at_once_release_each_child_once
                a_cancel_and_an_end_at_once_agree
                jobs_that_are_claimed_lost_and_taken_back_at_once_end_exactly_once
                counts_are_right_whoever_wrote
                a_queue_is_listed_although_a_claim_named_it_first
                compare_and_set_loses_no_write
                entries_appended_at_once_have_places_of_their_own
                all_share_the_count_of_a_limiter
            }
            processes {
                processes_lease_every_job_once
                processes_that_insert_one_id_at_once_make_one_job
                processes_leave_counts_that_are_right
                processes_lose_no_write_to_a_document
                processes_share_the_count_of_a_limiter
            }
            faults {
                a_request_that_did_not_arrive_changed_nothing
                an_insert_with_ids_of_ones_own_can_be_repeated
                an_end_whose_answer_was_lost_can_be_repeated
                a_claim_whose_answer_was_lost_comes_back_without_spending_an_attempt
                a_renewal_whose_answer_was_lost_can_be_repeated
                a_change_whose_answer_was_lost_can_be_repeated
                a_compare_and_set_whose_answer_was_lost_shows_its_own_write
                the_bell_rings_for_a_change_whose_answer_was_lost
                nothing_is_lost_or_doubled_on_a_rough_day
            }
            history {
                random_histories_agree_with_the_reference
            }
        }
    };
}

/// Makes one test of each question, below a module for its subject.
///
/// `exam!(closet)` or `exam!(closet, against: reference)`: expressions of types that are
/// [`Closet`](crate::Closet)s, evaluated anew for every question. A store without a reference is compared with
/// another instance of itself.
#[macro_export]
macro_rules! exam {
    ($closet:expr) => {
        $crate::exam!($closet, against: $closet);
    };
    ($closet:expr, against: $reference:expr) => {
        fn __exam() -> $crate::Exam {
            $crate::Exam {
                subject: || ::std::boxed::Box::new($closet),
                reference: || ::std::boxed::Box::new($reference),
                module: ::std::module_path!(),
            }
        }
        $crate::__roll!($crate::__sheet);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __sheet {
    ($($subject:ident { $($name:ident)* })*) => {
        $(
            mod $subject {
                $(
                    #[test]
                    fn $name() {
                        $crate::questions::$subject::$name(super::__exam());
                    }
                )*
            }
        )*
    };
}

macro_rules! enlist {
    ($($subject:ident { $($name:ident)* })*) => {
        #[doc(hidden)]
        pub mod questions {
            $(
                pub mod $subject {
                    $(
                        pub fn $name(exam: $crate::Exam) {
                            let question = concat!(stringify!($subject), "::", stringify!($name));
                            $crate::sit::sit(exam, question, |desk| Box::pin($crate::$subject::$name(desk)));
                        }
                    )*
                }
            )*
        }
    };
}

__roll!(enlist);
