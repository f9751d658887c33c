//! What changes between a plan and its application, kind by kind: the rows it concerns are refused as `drifted`, the
//! others are carried out.

use std::time::Duration;

use tenantry::testing::plan::Limits;
use tenantry::testing::submit::{Rules, Submitted};
use tenantry_jobs::Undo;
use tenantry_ledger::{JobState, Ledger};

use super::sample;
use crate::place::{On, Place, Run, TestJob, Work, apply, by, column, of_this_store, on_both, outcomes};

/// A plan, and what other jobs do before it is applied.
struct Case {
    kind: &'static str,
    rows: &'static str,
    meanwhile: &'static [(&'static str, &'static str)],
    drifted: &'static [i64],
}

/// One for every kind that depends on what there is, in an order in which none is in another's way.
const CASES: [Case; 13] = [
    Case {
        kind: "add-customer",
        rows: "domain,company_name,first_name,last_name,email,address_line1,city,postal_code,country\n\
            beta,Beta GmbH,Bea,Berg,bea@beta.example,Ring 2,Berlin,10115,DE\n\
            gamma,Gamma GmbH,Gil,Gast,gil@gamma.example,Ring 3,Berlin,10115,DE\n",
        meanwhile: &[(
            "add-customer",
            "domain,company_name,first_name,last_name,email,address_line1,city,postal_code,country\n\
            beta,Beta GmbH,Bea,Berg,bea@beta.example,Ring 2,Berlin,10115,DE\n",
        )],
        drifted: &[1],
    },
    Case {
        kind: "bulk-add-users",
        // Two new ones, and one who was there when it was planned.
        rows: "customer,user_principal_name,display_name,usage_location\n\
            CRM-1001,one@alpenblickhotels.onmicrosoft.com,One,CH\n\
            CRM-1001,two@alpenblickhotels.onmicrosoft.com,Two,CH\n\
            aoraridesign.onmicrosoft.com,mere.whaanga@aoraridesign.onmicrosoft.com,Mere Whaanga,NZ\n",
        meanwhile: &[
            (
                "bulk-add-users",
                "customer,user_principal_name,display_name,usage_location\n\
                CRM-1001,two@alpenblickhotels.onmicrosoft.com,Two,CH\n",
            ),
            (
                "delete-users",
                "customer,user_principal_name\n\
                aoraridesign.onmicrosoft.com,mere.whaanga@aoraridesign.onmicrosoft.com\n",
            ),
        ],
        drifted: &[2, 3],
    },
    Case {
        kind: "update-account",
        rows: "customer,phone\nCRM-1003,+1 206 555 0101\nCRM-1002,+47 55 50 01 21\n",
        meanwhile: &[("update-account", "customer,phone\nCRM-1003,+1 206 555 0199\n")],
        drifted: &[1],
    },
    Case {
        kind: "set-seats",
        rows: "customer,sku,seats\nCRM-1001,SPB,13\nCRM-1001,EXCHANGEDESKLESS,21\n",
        meanwhile: &[("set-seats", "customer,sku,seats\nCRM-1001,SPB,14\n")],
        drifted: &[1],
    },
    Case {
        kind: "assign-licenses",
        rows: "customer,user_principal_name,assign\n\
            kowalskimeble.onmicrosoft.com,katarzyna.ciesla@kowalskimeble.onmicrosoft.com,VISIOCLIENT\n\
            novaluzenergia.onmicrosoft.com,thiago.nobrega@novaluzenergia.onmicrosoft.com,EMS\n",
        meanwhile: &[(
            "assign-licenses",
            "customer,user_principal_name,remove\n\
            kowalskimeble.onmicrosoft.com,katarzyna.ciesla@kowalskimeble.onmicrosoft.com,<all>\n",
        )],
        drifted: &[1],
    },
    Case {
        kind: "update-users",
        // Of the first the title was changed, to the second's new name another came.
        rows: "customer,user_principal_name,job_title,new_user_principal_name\n\
            CRM-1003,dana.whitlock@graysonlogistics.onmicrosoft.com,President,\n\
            CRM-1003,priya.raghunathan@graysonlogistics.onmicrosoft.com,,priya@graysonlogistics.onmicrosoft.com\n\
            CRM-1003,marcus.oyelaran@graysonlogistics.onmicrosoft.com,Head of IT,marcus@graysonlogistics.onmicrosoft.com\n",
        meanwhile: &[
            (
                "update-users",
                "customer,user_principal_name,job_title\n\
                CRM-1003,dana.whitlock@graysonlogistics.onmicrosoft.com,Chair\n",
            ),
            (
                "bulk-add-users",
                "customer,user_principal_name\nCRM-1003,priya@graysonlogistics.onmicrosoft.com\n",
            ),
        ],
        drifted: &[1, 2],
    },
    Case {
        kind: "reset-passwords",
        // The second one has had a new password before, earlier on the same day.
        rows: "customer,user_principal_name,again\n\
            CRM-1003,lena.fischbach@graysonlogistics.onmicrosoft.com,\n\
            CRM-1003,sean.oconnor@graysonlogistics.onmicrosoft.com,yes\n\
            CRM-1003,dana.whitlock@graysonlogistics.onmicrosoft.com,\n",
        meanwhile: &[(
            "reset-passwords",
            "customer,user_principal_name,again\n\
            CRM-1003,lena.fischbach@graysonlogistics.onmicrosoft.com,\n\
            CRM-1003,sean.oconnor@graysonlogistics.onmicrosoft.com,yes\n",
        )],
        drifted: &[1, 2],
    },
    Case {
        kind: "set-subscriptions",
        rows: "customer,subscription_id,product,product_type,quantity\n\
            CRM-1001,f5057fee-4c3e-4459-82dd-21250b729601,Microsoft 365 Business Premium,new-commerce-license,13\n\
            CRM-1001,f41fcb28-e1ec-4229-9aa5-148c01a8c3f5,Exchange Online Kiosk,legacy-license,21\n",
        meanwhile: &[(
            "set-subscriptions",
            "customer,subscription_id,product,product_type,quantity\n\
            CRM-1001,f5057fee-4c3e-4459-82dd-21250b729601,Microsoft 365 Business Premium,new-commerce-license,14\n",
        )],
        drifted: &[1],
    },
    Case {
        kind: "suspend-subscription",
        rows: "customer,subscription_id\n\
            CRM-1002,e52fec14-2d75-4a6a-8584-0f4ce50ee168\n\
            aoraridesign.onmicrosoft.com,5372f53f-f952-4fef-8839-5aad5fac0dba\n",
        meanwhile: &[(
            "suspend-subscription",
            "customer,subscription_id\nCRM-1002,e52fec14-2d75-4a6a-8584-0f4ce50ee168\n",
        )],
        drifted: &[1],
    },
    Case {
        kind: "switch-subscription",
        rows: "customer,subscription_id,direction,partner_tenant_id,partner_name,flow\n\
            CRM-1001,f41fcb28-e1ec-4229-9aa5-148c01a8c3f5,out,0180d5e1-945c-407b-8118-9866d29e6868,,direct-to-indirect\n\
            novaluzenergia.onmicrosoft.com,93d544be-eeee-4355-af02-14835508e050,out,e06b6ca7-cc90-4e10-9a66-c6ae7e790030,Nuvem Sul,legacy-azure\n",
        meanwhile: &[(
            "suspend-subscription",
            "customer,subscription_id\nCRM-1001,f41fcb28-e1ec-4229-9aa5-148c01a8c3f5\n",
        )],
        drifted: &[1],
    },
    Case {
        kind: "remove-relationship",
        rows: "customer,suspend_subscriptions\nkowalskimeble.onmicrosoft.com,yes\nCRM-1002,\n",
        // It would be suspended too, and nobody has agreed to that.
        meanwhile: &[(
            "set-subscriptions",
            "customer,subscription_id,product,product_type,quantity,status\n\
            kowalskimeble.onmicrosoft.com,11111111-1111-4111-8111-111111111111,Visio,legacy-license,2,active\n",
        )],
        drifted: &[1],
    },
    Case {
        kind: "delete-users",
        rows: "customer,user_principal_name\n\
            CRM-1001,luc.perrin@alpenblickhotels.onmicrosoft.com\n\
            CRM-1003,sean.oconnor@graysonlogistics.onmicrosoft.com\n\
            CRM-1003,lena.fischbach@graysonlogistics.onmicrosoft.com\n\
            novaluzenergia.onmicrosoft.com,luiza.falcao@novaluzenergia.onmicrosoft.com\n",
        // Luc's name has passed to another Luc with the same licences, and Sean has moved.
        meanwhile: &[
            (
                "delete-users",
                "customer,user_principal_name\nCRM-1001,luc.perrin@alpenblickhotels.onmicrosoft.com\n",
            ),
            (
                "bulk-add-users",
                "customer,user_principal_name,display_name,first_name,last_name,usage_location,licenses\n\
                CRM-1001,luc.perrin@alpenblickhotels.onmicrosoft.com,Luc Perrin (Board),Luc,Perrin,CH,EXCHANGEDESKLESS\n",
            ),
            (
                "assign-licenses",
                "customer,user_principal_name,usage_location\n\
                CRM-1003,sean.oconnor@graysonlogistics.onmicrosoft.com,IE\n",
            ),
        ],
        drifted: &[1, 2],
    },
    Case {
        kind: "restore-users",
        rows: "customer,user_principal_name\n\
            CRM-1003,lena.fischbach@graysonlogistics.onmicrosoft.com\n\
            novaluzenergia.onmicrosoft.com,luiza.falcao@novaluzenergia.onmicrosoft.com\n",
        // Back, moved, and deleted again.
        meanwhile: &[
            (
                "restore-users",
                "customer,user_principal_name\nCRM-1003,lena.fischbach@graysonlogistics.onmicrosoft.com\n",
            ),
            (
                "assign-licenses",
                "customer,user_principal_name,usage_location\n\
                CRM-1003,lena.fischbach@graysonlogistics.onmicrosoft.com,IE\n",
            ),
            (
                "delete-users",
                "customer,user_principal_name\nCRM-1003,lena.fischbach@graysonlogistics.onmicrosoft.com\n",
            ),
        ],
        drifted: &[1],
    },
];

async fn prepared(place: &Place) -> Ledger {
    let ledger = place.ledger().await;
    for kind in ["add-customer", "set-seats", "bulk-add-users", "set-subscriptions"] {
        apply(&ledger, kind, sample(kind)).await;
    }
    ledger
}

async fn change_something(ledger: &Ledger, meanwhile: &[(&str, &str)]) {
    for (kind, rows) in meanwhile {
        let job = apply(ledger, kind, rows).await;
        assert_eq!(
            job.counts.applied,
            job.counts.total,
            "{kind}: {:?}",
            outcomes(ledger, &job).await
        );
    }
}

on_both! {
    async fn rows_of_every_kind_that_have_drifted_since_the_plan_are_refused(place: Place) {
        for job in of_this_store().filter(|job| job.policy().undo != Undo::Nothing) {
            assert!(CASES.iter().any(|case| case.kind == job.kind()), "{}", job.kind());
        }
        let ledger = prepared(&place).await;
        apply(&ledger, "reset-passwords", "customer,user_principal_name\nCRM-1003,sean.oconnor@graysonlogistics.onmicrosoft.com\n").await;
        let earlier = "UPDATE users SET password_set_at = password_set_at - 3600000 WHERE password_set_at > 0";
        ledger.db().write(move |tx| tx.exec(earlier, &[])).await.expect("set");
        // Without a recipient there are no new passwords.
        let key = place.tenantry(&["keygen", "--json"]).ends(0).json()["public_key"].clone();
        let tenantry = |args: &[&str]| {
            let mut command = place.command(args);
            command.env("TENANTRY__PASSWORDS__DELIVER", "true").env("TENANTRY__PASSWORDS__RECIPIENTS", key.as_str().expect("a key"));
            Run::from(command.output().expect("tenantry starts"))
        };
        for Case { kind, rows, meanwhile, drifted } in &CASES {
            place.write("rows.csv", rows);
            tenantry(&["plan", kind, "rows.csv", "--out", "plan.json"]).ends(0);
            let done = if tenantry_jobs::find(kind).expect("a kind").policy().destructive {
                // Between approval and application.
                let parked = tenantry(&["apply", "plan.json", "--json"]).ends(2).json();
                let (id, hash) = (parked["job"].as_str().expect("a job"), parked["approval"]["hash"].as_str().expect("a hash"));
                tenantry(&["approve", id, "--hash", hash, "--by", "boss"]).ends(0);
                change_something(&ledger, meanwhile).await;
                tenantry(&["apply", id, "--json"])
            } else {
                change_something(&ledger, meanwhile).await;
                tenantry(&["apply", "plan.json", "--json"])
            };
            assert_eq!(done.code, 1, "{kind}: {done:#?}");
            let id = done.json()["job"].as_str().and_then(|id| id.parse().ok()).expect("a job");
            let job = ledger.job(id).await.expect("asked").expect("there");
            let refused: Vec<_> = drifted.iter().map(|row| (*row, "rejected".to_owned(), "drifted".to_owned())).collect();
            let not_applied = outcomes(&ledger, &job).await;
            assert_eq!((job.state, not_applied), (JobState::Completed, refused), "{kind}");
            assert_eq!(job.counts.applied, job.counts.total - drifted.len() as u64, "{kind}");
        }
        let lucs = "SELECT display_name FROM users WHERE user_principal_name LIKE 'luc.%'";
        assert_eq!(column(ledger.db(), lucs).await, ["Luc Perrin (Board)"], "the other Luc is still there");
    }

    async fn an_approved_job_is_the_planned_one_even_without_a_plan_file(place: Place) {
        const LEAVERS: &str = "customer,user_principal_name\n\
            CRM-1003,sean.oconnor@graysonlogistics.onmicrosoft.com\n\
            CRM-1003,lena.fischbach@graysonlogistics.onmicrosoft.com\n";
        const MOVED: &[(&str, &str)] = &[(
            "assign-licenses",
            "customer,user_principal_name,usage_location\nCRM-1003,sean.oconnor@graysonlogistics.onmicrosoft.com,IE\n",
        )];
        let ledger = prepared(&place).await;
        for (approval, refused) in [(true, 1), (false, 0)] {
            let limits = Limits { approval, approval_expires_after: Duration::from_secs(60), ..Limits::NONE };
            let rules = Rules { chunk_rows: 5, limits };
            let submitted = TestJob::new(&ledger, "delete-users", LEAVERS).rules(rules).submit().await;
            let (Submitted::AwaitingApproval(id) | Submitted::Queued(id)) = submitted else {
                panic!("refused")
            };
            let job = ledger.job(id).await.expect("asked").expect("there");
            if approval {
                let hash = job.hash_to_approve().to_owned();
                ledger.approve(&job, &hash, &by("boss")).await.expect("asked").done().expect("approved");
                change_something(&ledger, MOVED).await;
            }
            let done = Work::on(&ledger, &job).until_idle().await;
            assert_eq!(done.counts.rejected, refused);
            assert!(outcomes(&ledger, &done).await.iter().all(|(row, _, code)| (*row, code.as_str()) == (1, "drifted") || code.is_empty()));
        }
        // The second job went by no plan, and took Sean as he is now.
        assert_eq!(column(ledger.db(), "SELECT usage_location FROM deleted_users WHERE user_principal_name LIKE 'sean.%'").await, ["IE"]);
    }

    async fn a_row_may_repeat_another_and_have_drifted_too(place: Place) {
        const TWICE: &str = "customer,user_principal_name\nCRM-1001,one@alpenblickhotels.onmicrosoft.com\nCRM-1001,one@alpenblickhotels.onmicrosoft.com\n";
        let ledger = prepared(&place).await;
        place.write("rows.csv", TWICE);
        place.tenantry(&["plan", "bulk-add-users", "rows.csv", "--skip-invalid", "--out", "plan.json"]).ends(1);
        let taken = apply(&ledger, "bulk-add-users", TWICE).await;
        assert_eq!((taken.counts.applied, taken.counts.rejected), (1, 1));
        let done = place.tenantry(&["apply", "plan.json", "--json"]).ends(1).json();
        let id = done["job"].as_str().and_then(|id| id.parse().ok()).expect("a job");
        let job = ledger.job(id).await.expect("asked").expect("there");
        assert_eq!(outcomes(&ledger, &job).await, [1, 2].map(|row| (row, "rejected".to_owned(), "drifted".to_owned())));
    }
}
