"""Tier 0: what only a human may handle.

Doubt counts as serious, for a message that is missed here may be answered by a machine; but a
word alone is no threat ("bath bomb", "lawyer costume", "stolen from my porch"), so every phrase
has who does what to whom.
"""

from __future__ import annotations

from pipeline.domain.phrases.rule import Rule, rule
from pipeline.domain.taxonomy import Intent

TIER0: tuple[Rule, ...] = (
    rule(
        Intent.HARASSMENT_THREATS, "t0_threat",
        """
        i|we will|shall|am_going_to|are_going_to|am_coming_to|would_love_to|want_to ..5 kill|hurt|harm|murder|shoot|stab|strangle|attack|beat|punch|slap|destroy you|you_all|you_people|all_of_you|everyone|your_family|your_kids|your_children|your_wife|your_staff|your_employee*|your_people|your_boss|your_ceo|your_driver*|your_face|your_head|him|her|them !price*|deal*|online|a|the
        i|we|someone|somebody ..5 kill|murder|stab|shoot|strangle|slap|punch|beat|hurt|smash you|your|him|her|them|whoever|someone|somebody|the_idiot|the_moron|the_driver|that_driver|your_driver|the_person|the_guy|this_guy -price*|record|deal|offer|competitor*|not_want_to
        smash|break|rearrange|bash|kick|punch|cave ..2 your|his|her|their|you ..1 face|head|skull|legs|teeth|neck|kneecaps|nose|windows
        i know|found_out|looked_up which|what|where ..4 school|car|house|street|plate|kids|family|children|live|lives|home
        i|we have|own|carry|got ..1 gun|rifle|shotgun|bomb -toy|nerf|water_gun|glue_gun|bath_bomb|massage_gun|heat_gun|spray_gun
        die in|you|scum|already ..2 fire|thieves|scum|pigs
        you|he|she|they will ..1 pay_for_this|pay_dearly|suffer|die +family|kids|house|school|find|live|know|blood
        call*|calling me|us|my_wife|my_husband|my_mother|my_daughter|her|him ..3 whore|bitch|slut|slur|n-word|nigger|faggot|retard|cunt
        disgusting|filthy|fat|ugly|dirty pig|pigs|scum|rat|rats|vermin +you
        going_to kill|hurt|murder|shoot|stab you|him|her|them
        i|we will|shall|am_going_to|are_going_to|am_coming_to ..3 find|come_for|come_after|hunt|track_you [out|down] you|where_you|you_down !a|an|the|another|some|via|online|through
        find|found|know|knows where you|your_family|you_people|your_driver|she|he live|lives|sleep|work|works|go_to_school
        i know where you|your_* [family|kids|office|staff|driver] live|lives|work|works|stay|are|is
        i|we will|shall|am_going_to|are_going_to ..3 burn|blow|shoot|smash ..4 down|up|office|store|shop|warehouse|building|windows|place
        or|then i ..2 burn|bomb|smash|torch ..1 your|the ..1 office|store|shop|warehouse|building|house|place
        set_fire_to|plant_a_bomb|bomb_threat|burn_down_your|bomb_your|burn_your ..2 office|store|shop|warehouse|building|house|you
        burn your ..1 office|store|shop|warehouse|building|house|place
        bring|bringing|come|coming|show ..4 gun|knife|weapon|baseball_bat|machete
        you|he|she|they will|are_going_to|is_going_to ..1 regret_being_born|be_dead|be_sorry_you|pay_with|regret_it +you|driver|rep|plate|staff
        watch_your_back|watch_out_for_me|death_threat*
        waiting|wait for you|her|him|them ..3 outside|after_work|parking_lot|at_your
        kill_yourself|kys|rape_you|drop_dead|deserve_to_die|should_die|rot_in_hell|burn_in_hell|go_to_hell
        should|deserve*|needs|ought ..2 be_shot|get_shot|be_hanged|be_beaten
        hope you|your_family|you_all|you_people|all_of_you|they ..2 die|dies|rot|burn|suffer|get_cancer
        fuck_you|fuck_off|f_you|screw_you_all
        you|your ..5 bitch*|b_tch*|cunt*|whore*|asshole*|motherfuck*|piece_of_shit|pieces_of_shit|bastard*|retard|retarded|scum|subhuman*|piece_of_trash|worthless_idiot*|moron|fat_cow
        tell|told ..1 fat_cow|bitch|slut|whore
        shut_up|stupid ..3 bitch*|retard*|cunt*|piece_of_trash
        harass*|threaten*|threatened|assaulted|groped|stalked|stalking|molested <>5 me|us|my_wife|my_husband|my_daughter|my_son|my_mother|driver|drivers|courier|couriers|employee|employees|staff|agent !legal|with_legal
        racial_slur*|racist_remark*|racist_comment*|racially_abused|racial_abuse
        racist|sexist|homophobic +your|driver|employee|agent|staff|rep|courier|manager
        driver|drivers|courier|employee|agent|rep|staff ..8 asking_me_out|texting_me|following_me|touched_me|keeps_texting|made_a_pass|inappropriate*|exposed_himself
        driver|courier|employee|agent|rep +unsafe|scared_of|sexual*
        """,
    ),
    rule(
        Intent.LEGAL_THREAT, "t0_legal",
        """
        my|our|through|from|an|a|the @LAWYER will|is|has|have|shall|says|said|advised|advises|told|about|regarding|filed|to_sue +my|our|you|your|will|letter|case|action -says_hi|recommended
        my|our|his|her @LAWYER|law_firm -costume|suit|gift|mug|shirt|friend|recommended|ordered|loves|says_hi
        to|with|from|by|through|via my|our|the|a|an @LAWYER -costume|suit|gift|mug|shirt|return*
        served ..2 papers|with_legal|summons|with_a_lawsuit
        legal_proceedings|court_proceedings|legal_claim|court_claim|court_case|court_summons
        my|our @LAWYER ..2 will|advised|contact*|file|filing|sent|sends|send|writing|write|informed|involved|preparing|drafting|on_it|knows
        contact*|hir*|consult*|speak*|talk*|get|getting|got|call|calling|involv*|retain*|seek*|see|seeing|engag*|instruct* ..2 @LAWYER -costume|suit|gift|mug|shirt
        hear*|letter|contacted|word ..2 from ..2 @LAWYER
        letter|email|call|communication|correspondence|notice|contact ..2 from|by|through ..1 @LAWYER
        reporting|going|turning|passing|hand*|forward* ..6 to ..3 @LAWYER
        i|we will|can|could|may|might|shall|would|must|should|have|am_going_to|are_going_to|ready_to|prepared_to|happy_to ..2 sue !per* -never|not_sue|would_not|will_not
        i|we am|are|is ..2 suing|sueing
        going_to|gonna|want_to|threaten*|about_to|considering sue|suing
        sue|suing you|your|the_company|this_company|the_shop|them
        lawsuit|lawsuits|law_suit|file_suit|filing_suit|bring_suit
        tak*|pursu*|consider*|initiat*|start*|threaten*|seek*|begin*|no_choice ..3 legal_action|legal_proceedings|legal_steps|legal_measures|legal_recourse|legal_remedies|legal_route
        legal_action|legal_proceedings will|against|if|unless|be
        issue|start|commence|begin|bring ..1 proceedings|court_proceedings
        small_claims|small_claim|see_you_in_court|class_action|cease_and_desist|letter_before_action|letter_before_claim|formal_letter_before|without_prejudice|notice_of_legal
        tak*|go|going|see|bring* ..4 to ..1 court|tribunal !yard
        prepared|ready|willing|happy to_go_to_court
        seek*|claim*|sue|liable|demand* ..3 damages|personal_injury
        @WATCHDOG <>8 report*|complain*|complaint|contact*|go_to|going_to|take|notify*|involv*|escalat*|inform*|file|filed -package|stolen|report_number
        breach|breaches|breached|breaching ..3 contract|consumer*|act|law|gdpr
        violat* ..4 law|laws|act|rights|regulation*|gdpr
        we|i act_for|act_on_behalf_of|represent ..6 client|mr|mrs|ms|respect|injur*|claimant
        trademark|copyright|patent|intellectual_property +our|infring*|using|remove|registered
        infring* ..4 trademark|copyright|patent|rights
        defamation|defamatory|libel
        injur*|burn|burns|burned|wrist|hospital|accident +lawyer|solicitor|attorney|legal|liable|liability|sue|compensation|damages
        """,
    ),
    rule(
        Intent.CHARGEBACK_DISPUTE, "t0_chargeback",
        """
        chargeback|chargebacks|charge-back|charge-backs|charge_back|charge_backs|charged_back -handling_chargebacks
        disput*|contest|contested|contesting|claw|clawback|reclaim <>8 @CARD_ISSUER -not_disputing|not_dispute
        expect|open*|rais*|fil*|start*|lodg*|submit*|receiv* ..4 dispute|disputes +card|bank|payment|paypal|transaction|issuer|klarna|charge|case|notice|order|against
        @CARD_ISSUER +claim|claims|dispute|disputes|disputed|disputing|contest|contested|claw|clawing|clawback|reverse|reversed|reversing|reversal|recover|recovering|reclaim|chargeback|retrieve -insurance|warranty|dispute_fee|claim_my_discount|claim_the_discount|claim_my_reward|refund_policy|recovering_my_account|recover_my_account
        section_75|provisional_credit|item-not-received|item_not_received_case|significantly_not_as_described|buyer_protection|purchase_protection|retrieval_request
        ^ disputed|disputing
        disput* <>4 charge|charges|transaction|transactions|payment|payments -shipping|dispute_fee|not_disputing|not_dispute
        dispute_notice|dispute_case|paypal_case|paypal_claim|paypal_dispute|case_number_pp|buyer_protection|pp-r
        revers*|stop|stopped|block|blocked|recall*|claw*|pull*|retriev* <>6 bank|paypal|card_company|card_issuer|card_provider|credit_card_company|visa|mastercard|amex +payment|charge|money|it|transaction|back
        open*|fil*|rais*|start*|submit*|lodg*|made ..3 claim|case|dispute <>6 @CARD_ISSUER
        ask*|told|tell|telling|contact*|call*|have|get|getting|through|let ..2 @CARD_ISSUER ..6 back|dispute|reverse|reversal|claim
        @CARD_ISSUER ..5 dispute|disputes|disputed|claw|reverse|reversed|reversing|chargeback
        go*|going to ..1 bank|paypal|card_company +reverse|dispute|back|refund|claim
        """,
    ),
    rule(
        Intent.FRAUD_SUSPECTED, "t0_fraud",
        """
        fraud*|unauthorised|unauthorized|identity_theft <>6 card|cards|charge|charges|transaction*|payment*|account*|order|orders|purchase*|identity|bank|activity|use|access|login|user -fee|shipping_fee|officer|prevention|fraud-proof
        report*|suspect*|victim|committed|commit|is|was|this|alert <>3 fraud|identity_theft -officer|prevention|proof
        fraud_department|fraud_team|fraud_alert|fraud_report|fraudster*
        order|orders|purchase*|charge|charges|transaction*|payment* ..8 know_nothing|not_know_about|not_mine|do_not_recognise|do_not_recognize|not_familiar|nothing_to_do_with_me -received|inside|wrong|box|parcel|package|delivered_to_me
        know_nothing about|of ..2 order|purchase|charge|payment
        got|get|gets|gotten|gained|has|had ..2 hold|access|into ..4 card|account|details|email|paypal|login +someone|somebody|thief|they|stranger|hacker|unknown|who
        account|paypal|email ..4 broken_into|taken_over|breached|accessed_by|infiltrated
        broke|broken into ..2 account|paypal
        fake|cloned|copycat|bogus <>6 page|site|shop|store|website|ad|checkout|account|seller +card|paid|pay|payment|number|details|yours|your|money
        gave|entered|typed|submitted ..4 card_number|card_details|bank_details|password +fake|scam|suspicious|phishing
        never heard_of ..3 company|you|shop|store|business|website +charge*|payment|card|statement|debit*
        never ..2 heard_of_your|heard_of_you|dealt_with_you
        unknown|strange|random|another person|someone|stranger|people|individual ..4 ordering|buying|shopping|using|charging ..3 my|with|on
        someone|somebody|he|she|they|person|people ..4 bought|ordered|purchased|shopping ..6 with_my|using_my|on_my|under_my ..2 card|account|name|details|paypal
        someone|somebody|thief|they got_hold|got_access|has_access|stole
        ^ [is_this|is_that|a|total|it_is_a|just|what] scam|fraud $
        claim*|claiming|pretend* ..6 work|works|from|be|is ..2 you|your_company|your_store +deposit|money|card|pay|whatsapp|telegram|bank
        i|we|been|got|was|being hacked -life_hack*
        someone|somebody ..4 trying|tries|tried|attempting|attempted ..3 log|get|access|break|hack|use ..3 my ..2 account|card|email
        hacked|compromised|cloned|skimmed|taken_over|hijacked|breached <>5 account|accounts|card|cards|identity|bank_details|me|email|security|profile
        stolen|stole|steal <>4 my_card|card|credit_card|identity|bank_details|card_details|my_account|card_number -password|pass|key|pin|gift
        suspicious|weird|strange|unknown|unusual ..1 activity|login|logins|sign-in|log-in -app
        unrecognized|unrecognised|unknown purchase*|transaction*|order|orders
        i|we|my_wife|my_husband did_not|have_not|never ..1 authorise*|authorize*|approve*
        not|never authorised|authorized|approved [by] me|us|this
        without my|our knowledge|permission|consent|authorisation|authorization +card|account|charge*|paid|payment|money|debited|deducted|bank
        i|we did_not|never|have_not|have_never ..1 make|place|order|made|placed|ordered|bought|buy|approve|create|request this|that|these|those|any|the|such|an|it ..2 order|orders|purchase|purchases|charge|charges|payment|transaction* !confirmation|yet|until
        order|orders|purchase|purchases|charge|charges|payment|transaction|transactions|package|parcel|something [that|which] i|we did_not|never|have_not|do_not ..1 make|place|made|placed|recognise|recognize|order|ordered|authorise|authorize
        i|we ..1 never|did_not|have_never placed|place|order|ordered|made|make order|orders|#|it|this|that -what_i|wrong|received
        do_not recognise|recognize ..2 order|charge|transaction|payment|purchase
        never bought|ordered|shopped from|with|at you|your|here +card|charge*|order
        who|idea|someone|somebody placed|made|ordered ..4 in_my_name|with_my|on_my_account|using_my
        someone|somebody|anyone|thief|scammer|stranger|hacker [else] [has|is|was|must_have|may_have] used|using|stole|stolen|hacked|accessed|accessing|got_into|gotten_into|logged_into|charging|opened|have|has|changed|took_over|made ..3 my|an|# ..2 account|card|identity|name|credit_card|card_details|login|email|details|password|transactions|address
        someone|somebody [else] ..4 plac*|mak*|made|buy*|order*|bought ..6 with|on|using|in my|mine
        my ..2 card|account|credit_card|debit_card|details|name|identity was|has_been|got|is_being|were|being used|hacked|compromised|stolen|charged_by_someone|cloned|changed|accessed -twice|double|locked
        my|our card|account|credit_card used +never|without|not|fraud
        was changed ..12 +not_me|was_not_me|i_did_not|city|domain
        was_not_me|not_done_by_me|it_was_not_us +order|account|address|card|charge|purchase|login
        this|it|your_site|your_shop|your_store|your_company|your_website|your_business|you|you_guys|you_people is|are [all|a|just|total|complete|such] [a|an|total|complete|bunch_of] scam|fraud|frauds|scammer*|thieves|fraudulent|crooks|fake_site
        is_this|is_it|was_it|if_it_is [a|an|really] scam|fake|phishing|fraud|from_you|legit|you +email|mail|text|call|dm*|message|card|gift|link|pay|customs|site|password|number|fee -my_number
        phishing|scammer|scammers|scammed|impersonat*|impostor|pretending_to_be|pretend_to_be
        fake|suspicious ..3 email|mail|text|site|website|message|page|account|profile +password|asking|card|pay|bank|link|domain|your_name|details
        asking|asks|asked|wants ..8 gift_cards|card_number|bank_login|bank_details|card_details|password +email|mail|text|dm*|message|call*|claim*|someone
        someone|somebody|person|people|they ..4 saying|claiming|claims|pretending|says ..3 you|your|from_you +card|pay|money|bank|password|details
        package|parcel|box ..6 never_ordered|did_not_order +identity|who|why|my_name|scam|brushing|i
        """,
    ),
)  # fmt: skip
