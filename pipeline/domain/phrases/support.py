"""Money, accounts, devices, people and channels; and what asks for nothing."""

from __future__ import annotations

from pipeline.domain.phrases.rule import Rule, rule
from pipeline.domain.taxonomy import Intent

EVERY_REQUEST = frozenset(Intent) - {Intent.UNKNOWN_OTHER, Intent.INFLUENCER_MARKETING_INQUIRY}

SUPPORT: tuple[Rule, ...] = (
    rule(
        Intent.BILLING_ISSUE, "charged_wrongly",
        """
        charged|billed|debited|charge|paid|deducted|pay|taken|took ..5 twice|two_times|2x|double|again|multiple_times|three_times|3_times|wrong_amount|more_than|too_much|extra|incorrect_amount|duplicate -again_and_again|every_month|return_shipping
        double|twice|duplicate|overcharge*|over-charged|over_charged charge*|charged|billed|billing|payment|payments|paid|transaction* -fee
        overcharged|overcharge|over-charged|double-charged
        went_through|go_through|went_thru|payment ..2 twice|both
        both went_through|charged
        charged|billed # ..6 but|instead|whereas
        why ..2 was|am|did|were|have|are|is i|you|we ..2 charged|charge|bill|billed|charging|billing -return_shipping|subscription
        why|what ..3 take|took|taken|debit*|# ..4 from my|me ..2 account|card|bank
        did|do|have you|u ..1 bill|charge|billed|charged ..1 me|us -subscription
        extra ..3 card|statement|bank -card_slot|cards
        two|multiple|duplicate|identical|unexpected|mystery|pending|extra|second|strange ..3 charge|charges|payments|transaction|transactions|withdrawal -unauthor*
        charge ..3 from your|you ..8 +do_not_understand|what|statement|for|why|unknown
        unknown|strange|what_is ..3 charge|# ..5 statement|bank|visa|card|account
        payment|money|amount|it|# ..5 deducted|debited|taken|withdrawn|gone|charged +order|account|card|bank|not|failed|no|website|amount -refund_status
        deducted|debited|amount_got|got_deducted|payment_went_through|payment_was_taken|payment_has_been_taken|taken_the_payment|took_the_payment|card_was_charged|money_is_gone|money_was_taken ..12 not|no|never|error|fail*|without|but
        payment|money|amount|card ..4 deducted|debited|charged|taken|went_through|gone_through|went_thru ..6 but|yet|however|and ..6 not|no|never|error
        took|taken|take ..3 # ..3 from ..2 card|account|bank
        took|taken|charged ..3 payment ..2 #|twice|three|times
        """,
        unless="return|returned|cancelled my subscription",
        beats=frozenset({Intent.REFUND_REQUEST, Intent.PRE_PURCHASE_QUESTION, Intent.ORDER_STATUS_TRACKING, Intent.CANCEL_ORDER, Intent.SHIPPING_DELAY_NOT_SHIPPED, Intent.TECHNICAL_SUPPORT, Intent.MISSING_ITEMS_IN_SHIPMENT}),
    ),
    rule(
        Intent.BILLING_ISSUE, "billing",
        """
        @PAY <>4 @TROUBLE -refund*|address
        payment|card|transaction|payments|apple_pay|paypal ..3 not|keeps|was|is|got|won ..3 go|going|went|work*|accept*|process*|declin*|reject*|refus*|fail*|through|invalid -gift_card|sim_card|refund|memory_card|promo*|code
        not|can_not|unable|trouble ..2 pay|complete_payment|make_payment|process_payment -back|attention
        declined|card_decline* +card|payment|checkout|transaction|bank
        card|payment|visa|mastercard ..2 declined|rejected|refused|failed|expired
        billing|invoice|invoices|itemised_bill|itemized_bill
        bill|bills !me
        receipt|receipts -receipt_lists|receipt_says|receipt_shows|no_receipt|the_receipt|without|gift|have_the_receipt|confirm_receipt|receipt_of_the
        vat|tax_invoice|tax_receipt|tax_number
        charge|charged|fee|fees ..4 incorrect|wrong|mistake|unexpected
        charged ..3 # ..8 said|should|price|instead|total|more
        update|change|replace ..4 credit_card|debit_card|payment_method|card_on_file|payment_details|billing_details|card_details
        payment|transaction status|issue|problem|history
        emi|instal*|financing ..4 option|issue|problem|plan|not
        bank|statement|card ..6 your|you ..3 +charge|payment|took|taken|see|shows|billed
        refund ..4 charged|duplicate
        """,
        unless="""
        refund* ..4 not|where|when|status|still
        got|received ..2 invoice ..3 but
        invoice ..4 two|three|should_be|included
        """,
        beats=frozenset({Intent.PRE_PURCHASE_QUESTION, Intent.ORDER_STATUS_TRACKING, Intent.SHIPPING_DELAY_NOT_SHIPPED}),
    ),
    rule(
        Intent.TECHNICAL_SUPPORT, "account",
        """
        creat*|open|opening|delet*|remov*|clos*|deactivat*|cancel*|edit*|chang*|modif*|updat*|switch*|register*|set_up|access*|recover*|restor*|lock*|unlock|block*|disabl*|suspend*|log*|sign*|use|using|correct*|eliminat*|terminat*|dissolv*|swap*|upgrad*|downgrad*|want|need|get|new|open|merg*|link|activat*|verif*|opening|eras* <>6 @ACCOUNT -bank|credited|charge|charged|refund*|to_my_account|from_my_account|into_my_account|money|order|delivery|subscription|statement|credit|parcel|package|money_on_my_account|debited|deducted|taken
        edit*|chang*|modif*|updat*|correct*|alter*|delet*|eras*|remov* <>4 personal|user|account|profile|my ..1 information|info|details|data|profile|email|email_address|username|phone_number -order|parcel|shipping|delivery|name_on
        personal|user information|info|details|data -gave
        change|update ..3 email|email_address|phone_number|mobile_number|username|user_name -order|parcel|ship*
        premium|pro|freemium|gold|platinum|standard|free|user|online account|accounts
        users|user profile|profiles
        switch|switching|change|changing|swap|swapping ..1 user|users
        delete|erase|remove ..4 my|personal ..1 data
        wrong|locked ..4 password|account -stolen|hacked
        deletion|deletions|account_recovery
        """,
        unless="@SUBSCRIPTION\nhacked|stole|stolen|unauthor*",
    ),
    rule(
        Intent.TECHNICAL_SUPPORT, "credentials",
        """
        password|passwords|passcode|pass_word|pwd|user_key|user_pin|2fa|otp|two-factor|two_factor|two-step|two_step|authenticator|verification_code|verification_codes|confirmation_code|security_code|security_codes|access_code|verification_email|activation_email|activation_link|access_key|access_keys|pin_code|pin_number|user_pass|authentication|credentials|login_details -asking|wants|asked_for_my|scam|phishing|gate|driver|gate_code
        log_in|logging_in|login|log-in|log_into|log_on|logged_out|logs_me_out|logging_me_out|sign_in|signing_in|sign-in|signin|sign_into|logged_in -to_see_my|deliver*|someone
        reset*|recover*|retriev*|forg*|restor*|lost|los* <>4 key|keys|pin|pins|code|codes|credentials|pass|user_name|username !to -ring|chain|coupon|discount|promo*|voucher|keyring|refund
        confirmation_email|activation_email ..4 account|register*|sign*
        """,
        unless="hacked|changed_my_password ..3 without",
        beats=frozenset({Intent.PRE_PURCHASE_QUESTION, Intent.ADDRESS_CHANGE_ORDER_EDIT, Intent.ORDER_STATUS_TRACKING}),
    ),
    rule(
        Intent.TECHNICAL_SUPPORT, "registration",
        """
        sign_up|signing_up|sign-up|signup|sign-ups|signups|register|registering|registration|registrations|registered !a_complaint|complaint|the_complaint|my_complaint|trademark|mail|letter|post|nurse -newsletter*|newsleter*|mailing_list|emails|complaint|complaints|claim|code|discount|percent|off|for_signing_up|trademark
        """,
        unless="@SUBSCRIPTION\n@CODE",
    ),
    rule(
        Intent.TECHNICAL_SUPPORT, "site",
        """
        @SITE|system|photos|upload <>5 spins|crash*|freez*|frozen|not_work*|not_load*|not_open*|not_respond*|not_let*|does_not_work|do_not_work|will_not_open|will_not_load|error|errors|bug|bugs|broken|blank|glitch*|down|stuck|spinning|keeps|greyed_out|grayed_out|nothing_happens|does_nothing|not_responding|loading|unresponsive|timed_out|404|500 -printed|upside|payment_system|payment_page|payment_method|return_label|cart_before|tracking_page|tracking|order_is_stuck|parcel|box|arrived|came|zipper|sewing|button_fell|button_is_stuck|power_button|button_came|money_back|cancel_my_order|package
        error_code|error_message|error_page|404|500_error|error_500|firmware|pairing|software_update|troubleshoot*|factory_reset|factory_settings|bluetooth|wi-fi|wifi !headphones|speaker|earbuds -is_it|does_it|do_you|compatible
        not|can_not|will_not|unable|trouble|problem*|issue*|how_do_i|how_to|help|fails|failed ..5 pair|pairing|sync|syncing|connect|connecting|set_up|set_it_up|setup|install|installing|reset|configure|update -address|account|person|agent|human|subscription|order|shipping|password|call|credit_card|on|with_my_order
        can_not|not|unable|will_not ..2 checkout|check_out|place_order|place_an_order|place_my_order|complete_checkout|add_to_cart|upload -code|discount|parcel
        set_up|set_it_up|setup|install ..4 device|app|it|phone|wifi|router|printer|camera -is_it_easy|address|subscription
        checkout|cart|website|app|site|page -code|discount +crash*|error|stuck|freez*|not_work*|down|bug|glitch
        logs_me_out|kicks_me_out|keeps_logging
        app ..3 not|keeps|crash*|problem|issue
        technical ..1 issue|issues|problem|problems|support|error|difficult*
        """,
        unless="""
        @CODE
        is it|this|the ..3 compatible
        broken ..3 arrived
        """,
        beats=frozenset({Intent.PRE_PURCHASE_QUESTION, Intent.ORDER_STATUS_TRACKING, Intent.ADDRESS_CHANGE_ORDER_EDIT}),
    ),
    rule(
        Intent.TIKTOK_SUPPORT_REQUEST, "tiktok",
        """
        tiktok|tik_tok shop|order|store|seller|purchase|live|support|team
        bought|ordered|purchased|order|purchase|got|found ..6 on|through|thru|from|via|with|in|at ..2 tiktok|tik_tok
        """,
        beats=frozenset({Intent.ORDER_STATUS_TRACKING, Intent.SHIPPING_DELAY_NOT_SHIPPED, Intent.PHONE_SUPPORT_REQUEST, Intent.PRE_PURCHASE_QUESTION}),
    ),
    rule(
        Intent.SOCIAL_MEDIA_SUPPORT_REQUEST, "social",
        """
        comment|commented|comments|dm|dms|dmd|direct_message*|message|messaged|messages|tagged|posted|post|giveaway|contest|raffle|winner|winners|won|blocked|block|reached_out|wrote|story|stories|ad|replied|deleted|follow|unfollowed|team|photo|someone|account ..8 instagram|facebook|twitter|messenger|social_media|insta_page -followers|scam|imperson*|hacked|asked_me_for|pretend*|saw|seen
        instagram|facebook|twitter|messenger|social_media ..8 giveaway|contest|raffle|winner*|dm|dms|message|messages|comment|comments|story|post|posts|ad|team|blocked|page|removed -followers|scam|imperson*|hacked|asked_me_for|pretend*|saw|creator
        """,
    ),
    rule(
        Intent.PHONE_SUPPORT_REQUEST, "human",
        """
        @TALK <>5 @PERSON -someone_else|somebody_else|driver|courier|delivery_person|said|told|promised|delivered|found|agents_told|will_be_contacting|neighbour*|neighbor*|have_spoken|spoke_to|spoken|already|yesterday|last_week|to_deliver|person_who|my_lawyer|my_attorney
        talk*|speak*|call*|contact*|reach*|chat*|phone|connect*|hours|open|number|time|free|assistance|help ..5 @SUPPORT -already|promised|told|yesterday|last_week|twice|times|said
        call|ring|phone|telephone me|us [back] !names|crazy|when_the_driver|before_deliver*|about_a_collab -driver|courier|deliver*
        give me|us a_call|a_ring|a_bell|call
        call|phone|ring|speak|discuss ..4 by_phone|over_the_phone|on_the_phone|by_telephone|on_the_line|call_back|callback|to_call_back -spoke|spoken|already|told|agreed|colleague
        phone|contact|telephone|customer_service|call|support|helpline|direct ..1 number|line !is|on|for_my_order|on_my_order -my_phone_number|change|update|wrong|the_driver|account
        what|is|have|do|a|any ..3 number ..3 call|dial|ring|reach
        callback|call-back|call_me_back|phone_call
        prefer|rather ..5 by_phone|over_the_phone|call|phone
        live|human|real|actual|living agent|agents|person|persons|human|operator|assistance|support|representative|people|someone|being|chat -real_person_delivered
        ^ [hi|hello|hey|please] agent|human|representative|operator|person|supervisor|manager [please|now] $
        put me ..1 through|in_touch
        put|get|transfer|connect|escalate|hand ..4 @PERSON|department +me|us|on_the_phone|on_the_line|to
        get ..3 manager|supervisor|representative|agent
        let me|us speak|talk
        speak|talk to|with @PERSON|you|customer|your_team|your -spoke
        customer|client service|assistance|support|care|services ..3 hours|number|phone|available|open|agent|time
        at_what_time|what_time|what_hours|hours ..6 @SUPPORT|contact|call|reach|open
        bot|ai|robot|automated <>8 person|human|agent|real|somebody|someone|representative
        """,
        beats=frozenset({Intent.UNKNOWN_OTHER}),
    ),
    rule(
        Intent.PHONE_SUPPORT_REQUEST, "support_mention",
        """
        @SUPPORT -was|were|has|had|have|by|great|excellent|amazing|fantastic|helpful|thank|thanks|good|best|terrible|worst|awful|poor|bad|rude|through_your|invest
        """,
        weak=True,
    ),
)  # fmt: skip

NOTHING_ASKED: tuple[Rule, ...] = (
    rule(
        Intent.UNKNOWN_OTHER, "review",
        """
        leave|leaving|write|writing|post|posting|submit*|shar*|giv*|send*|upload*|put|make ..4 review|reviews|feedback|feedbacks|opinion|opinions|testimonial*|rating|ratings
        """,
        unless="@NOT_HERE\nfollowers|free|collab*",
    ),
    rule(
        Intent.UNKNOWN_OTHER, "complaint",
        """
        fil*|mak*|lodg*|submit*|regist*|rais*|send*|present*|report*|want|need|place|open|have|formal ..3 complaint|complaints|reclamation*|claim|claims|complain -warranty|refund|paypal|insurance|damage|bank|customs
        """,
        weak=True,
    ),
    rule(
        Intent.UNKNOWN_OTHER, "settled",
        """
        got|received|arrived|came|come|found|sorted|fixed|works|working|resolved ..9 thanks|thank_you|cheers|perfect
        thanks|thank_you|perfect ..6 got|received|arrived|came|found|sorted|fixed|works|working|resolved
        """,
        unless="""
        but|however|not|still|please|can_you|could_you|how|where|when|why|missing|broken|wrong|damaged|only|cracked|need|want|would|like|instead
        """,
        beats=EVERY_REQUEST,
    ),
    rule(
        Intent.UNKNOWN_OTHER, "nothing_asked",
        """
        automatic_reply|auto-reply|autoreply|auto_reply|out_of_office|out_of_the_office|parental_leave|maternity_leave|annual_leave
        delivery_status_notification|undeliverable|mail_delivery_failed|mail_delivery_subsystem|message_could_not_be_delivered|delivery_has_failed
        never_mind|nevermind|disregard|figured_it_out|no_further_action|no_longer_an_issue
        ignore my|the|this|that|previous|last
        can_be|please|you_can ..1 ignore|ignored|disregard|disregarded
        just|only|simply ..1 wanted|want ..1 to_say|to_let_you_know|to_tell_you +love|loved|wonderful|amazing|great|happy|beautiful|brilliant|good|nice|fantastic|thank|thanks|lovely|best
        close the|this|my ticket|case|request
        cv|resume|hiring|vacanc*|internship*|job_opening*|job_application|looking_for_work|jobs|a_job|apply_for_a_position|part_time_work
        seo|google_ranking*|first_page|rank_higher|web_design|link_building|guest_post|backlink*
        we|our_company|our_agency ..2 offer|provide|supply|manufacture|specialize|specialise ..10 -do_you
        our ..3 price_list|services|catalogue|proposal|quotation +we|attached|offer|would_like_to|please_find
        invitation|webinar|conference|summit|newsjacking
        journalist|press_inquiry|press_enquiry|reporter|uni_project|university_project|thesis|dissertation|school_project
        become|be|becoming ..2 supplier|vendor
        we_are_a ..3 company|agency|firm|supplier|manufacturer
        recipe|stock_price|nasdaq|invest_in|pre-ipo
        """,
        beats=EVERY_REQUEST,
    ),
)  # fmt: skip
